//! `#[signature]`: the attribute re-emits the struct with a private derive underneath, and the derive (which sees what `cfg` left over)
//! parses, checks and expands.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{DeriveInput, Item};

use crate::{
    attributes::{self, crate_path},
    derives,
    diagnostics::Diagnostics,
    items, module,
    runtime::Runtime,
    types,
};

mod check;
mod expand;
mod model;
mod parse;
mod role;
#[cfg(test)]
mod tests;

/// The attribute: checks its own words and the kind of item, and leaves the rest to the derive.
pub(crate) fn attribute(words: TokenStream, item: TokenStream) -> TokenStream {
    let mut diagnostics = Diagnostics::default();
    let settings = attributes::SIGNATURE.read_words(words, &mut diagnostics);
    let runtime = Runtime::new(crate_path(&settings));
    let private = runtime.private();

    let item = match syn::parse2::<Item>(item.clone()) {
        Ok(Item::Struct(mut item)) => {
            let other = items::take_attribute(&mut item.attrs, "module");
            let stub = other.map(|other| {
                diagnostics.at(other.path(), items::both(&item.ident));
                module::traversal_of_nothing(&item.ident, &item.generics, &runtime)
            });
            if item.generics.params.is_empty() {
                item.fields.iter_mut().for_each(|field| types::lengthen(&mut field.ty));
            }
            let root = runtime.root();
            derives::add(
                &mut item.attrs,
                &[derives::CLONE, derives::DEBUG],
                &quote!(#private::DeriveSignature),
                &quote!(crate = #root),
                true,
            );
            quote!(#item #stub)
        }
        Ok(mut other) => {
            let (kind, word) = items::kind(&other);
            diagnostics.at(
                word,
                format!(
                    "`#[signature]` goes on a struct with named fields, not on {kind}: \
                     `struct Qa {{ #[input] question: String, #[output] answer: String }}`"
                ),
            );
            let stub =
                model::Signature::stub_of(&other).map(|signature| expand::expand(&signature, &runtime));
            items::strip(&mut other, &["input", "output"]);
            if let Item::Enum(item) = &mut other {
                derives::complete(&mut item.attrs, &[derives::CLONE, derives::DEBUG]);
            }
            quote!(#other #stub)
        }
        Err(error) => {
            diagnostics.add(error);
            item
        }
    };
    let errors = diagnostics.into_tokens();
    quote!(#item #errors)
}

/// The private derive underneath.
pub(crate) fn derive(item: TokenStream) -> TokenStream {
    let mut diagnostics = Diagnostics::default();
    let expansion = diagnostics.ok(syn::parse2::<DeriveInput>(item)).map(|item| {
        let raw = parse::RawSignature::parse(item, &mut diagnostics);
        let runtime = Runtime::new(raw.carried.runtime.as_ref());
        let checked = check::check(raw, &mut diagnostics);
        checked.map(|signature| expand::expand(&signature, &runtime))
    });
    let errors = diagnostics.into_tokens();
    let expansion = expansion.flatten();
    quote!(#expansion #errors)
}
