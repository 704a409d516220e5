//! `#[module]`: on a struct the traversal (through a private derive, as for signatures), on an impl block the run.

use proc_macro2::{TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::{DeriveInput, Item};

use crate::{
    attributes::{self, crate_path},
    diagnostics::Diagnostics,
    items,
    runtime::Runtime,
};

mod block;
mod check;
mod expand;
mod forward;
mod parse;
mod structure;

pub(crate) use self::structure::traversal_of_nothing;

/// The attribute, on whatever it stands.
pub(crate) fn attribute(words: TokenStream, item: TokenStream) -> TokenStream {
    let mut diagnostics = Diagnostics::default();
    let settings = attributes::MODULE.read_words(words, &mut diagnostics);
    let runtime = Runtime::new(crate_path(&settings));

    // A block is read apart from all other items: the bodies in it stay tokens, so that what syn does not know yet still compiles.
    let item = match is_block(&item) {
        true => match syn::parse2::<parse::RawBlock>(item.clone()) {
            Ok(raw) => check::check(raw, &mut diagnostics).expand(&runtime),
            Err(error) => {
                diagnostics.add(error);
                item
            }
        },
        false => match syn::parse2::<Item>(item.clone()) {
            Ok(Item::Struct(item)) => match items::attribute(&item.attrs, "signature") {
                // It stays what the other attribute makes of it, which knows the marks of its fields.
                Some(other) => {
                    diagnostics.at(other.path(), items::both(&item.ident));
                    let stub = traversal_of_nothing(&item.ident, &item.generics, &runtime);
                    quote!(#item #stub)
                }
                None => structure::reemit(item, &runtime),
            },
            Ok(other) => misplaced(other, &runtime, &mut diagnostics),
            Err(error) => {
                diagnostics.add(error);
                item
            }
        },
    };
    let errors = diagnostics.into_tokens();
    quote!(#item #errors)
}

/// The private derive underneath the attribute on a struct.
pub(crate) fn derive(item: TokenStream) -> TokenStream {
    let mut diagnostics = Diagnostics::default();
    let expansion = diagnostics
        .ok(syn::parse2::<DeriveInput>(item))
        .map(|item| structure::derive(&item, &mut diagnostics));
    let errors = diagnostics.into_tokens();
    quote!(#expansion #errors)
}

/// True if the first word behind the attributes is `impl`, also after `unsafe` or `default`.
fn is_block(item: &TokenStream) -> bool {
    let words = item.clone().into_iter().filter_map(|tree| match tree {
        TokenTree::Ident(word) => Some(word.to_string()),
        _ => None,
    });
    words.take_while(|word| ["impl", "unsafe", "default"].contains(&word.as_str())).any(|word| word == "impl")
}

/// Reports an item that is no module, with a stand-in where one can be written.
fn misplaced(mut item: Item, runtime: &Runtime, diagnostics: &mut Diagnostics) -> TokenStream {
    let (kind, word) = items::kind(&item);
    let message = match &item {
        Item::Fn(_) => {
            "`#[module]` goes on a struct and on an impl block, not on a function: put `async fn forward(&self, ..)` into \
             `#[module] impl YourModule { .. }`"
                .to_owned()
        }
        Item::Enum(_) => {
            "`#[module]` goes on a struct or an impl block, not on an enum: make it a struct; where the module is chosen at run \
             time, hold `BoxModule<Input, Output>` in a field"
                .to_owned()
        }
        _ => format!(
            "`#[module]` goes on a struct (its fields are the sub-modules) or on an impl block (with `async fn forward`), not on \
             {kind}"
        ),
    };
    diagnostics.at(word, message);
    items::strip(&mut item, &["module"]);
    let stub = match &mut item {
        Item::Enum(item) => structure::stub(&mut item.attrs, &item.ident, &item.generics, runtime),
        _ => TokenStream::new(),
    };
    let item = item.into_token_stream();
    quote!(#item #stub)
}
