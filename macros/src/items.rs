//! Items of the wrong kind: names them in messages, and strips them so that nothing but the one error is left.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::{Attribute, Fields, Item};

/// What an item is, in words, and the token that says so.
pub(crate) fn kind(item: &Item) -> (&'static str, TokenStream) {
    match item {
        Item::Struct(item) => ("a struct", item.struct_token.to_token_stream()),
        Item::Enum(item) => ("an enum", item.enum_token.to_token_stream()),
        Item::Union(item) => ("a union", item.union_token.to_token_stream()),
        Item::Fn(item) => ("a function", item.sig.fn_token.to_token_stream()),
        Item::Impl(item) => ("an impl block", item.impl_token.to_token_stream()),
        Item::Trait(item) => ("a trait", item.trait_token.to_token_stream()),
        Item::Mod(item) => ("a Rust module (`mod`)", item.mod_token.to_token_stream()),
        Item::Type(item) => ("a type alias", item.type_token.to_token_stream()),
        Item::Const(item) => ("a constant", item.const_token.to_token_stream()),
        Item::Static(item) => ("a static", item.static_token.to_token_stream()),
        Item::Use(item) => ("a `use`", item.use_token.to_token_stream()),
        other => ("this item", other.to_token_stream()),
    }
}

/// Takes the attributes of these names off an enum's or a union's fields, where no derive makes them legal.
pub(crate) fn strip(item: &mut Item, words: &[&str]) {
    let clean = |attributes: &mut Vec<Attribute>| {
        attributes.retain(|attribute| !words.iter().any(|word| attribute.path().is_ident(word)));
    };
    match item {
        Item::Enum(item) => {
            for variant in &mut item.variants {
                clean(&mut variant.attrs);
                variant.fields.iter_mut().for_each(|field| clean(&mut field.attrs));
            }
        }
        Item::Union(item) => item.fields.named.iter_mut().for_each(|field| clean(&mut field.attrs)),
        Item::Struct(item) => match &mut item.fields {
            Fields::Unit => {}
            fields => fields.iter_mut().for_each(|field| clean(&mut field.attrs)),
        },
        _ => {}
    }
}

/// The attribute of this name, as `#[name]` or `#[karat::name]`.
pub(crate) fn attribute<'a>(attributes: &'a [Attribute], name: &str) -> Option<&'a Attribute> {
    attributes.iter().find(|attribute| is_called(attribute, name))
}

/// The same, taken away.
pub(crate) fn take_attribute(attributes: &mut Vec<Attribute>, name: &str) -> Option<Attribute> {
    let index = attributes.iter().position(|attribute| is_called(attribute, name))?;
    Some(attributes.remove(index))
}

fn is_called(attribute: &Attribute, name: &str) -> bool {
    let segments = &attribute.path().segments;
    segments.len() <= 2 && segments.last().is_some_and(|segment| segment.ident == name)
}

/// The message about a struct with both attributes.
pub(crate) fn both(ident: &syn::Ident) -> String {
    format!(
        "`{ident}` is a signature or a module, not both: a signature is a task, and a module holds a predictor of it, e.g. \
         `#[module] struct Program {{ predict: Predict<{ident}> }}`"
    )
}
