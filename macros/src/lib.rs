//! The macros of [karat](https://docs.rs/karat): `#[signature]`, `#[module]` and `#[reward]`. Use them through that crate.
//!
//! Each macro is a pipeline: parse (a raw model of what the user wrote) → check (one error context that collects every mistake) → the
//! checked model → expand (which cannot fail). A mistake never takes the item away: the structs and stand-ins for the impls are still
//! emitted, so that the rest of the program gets no second wave of errors.
//!
//! Expansions name everything through `::karat::__private` (or the name that the user's Cargo.toml has for karat) and import nothing,
//! so that whatever is called `Result` or `Option` in the user's scope does not matter.

use proc_macro::TokenStream;

mod attributes;
mod derives;
mod diagnostics;
mod docs;
mod items;
mod module;
mod naming;
mod reward;
mod runtime;
mod signature;
mod source;
mod types;

/// Makes a struct a signature.
#[proc_macro_attribute]
pub fn signature(words: TokenStream, item: TokenStream) -> TokenStream {
    signature::attribute(words.into(), item.into()).into()
}

/// Makes a struct and its impl block a module.
#[proc_macro_attribute]
pub fn module(words: TokenStream, item: TokenStream) -> TokenStream {
    module::attribute(words.into(), item.into()).into()
}

/// Keeps the text of a reward function beside its rewards.
#[proc_macro_attribute]
pub fn reward(words: TokenStream, item: TokenStream) -> TokenStream {
    reward::attribute(words.into(), item.into()).into()
}

/// The derive underneath `#[signature]`. Not for use by hand.
#[doc(hidden)]
#[proc_macro_derive(DeriveSignature, attributes(input, output, serde, schemars, __karat))]
pub fn derive_signature(item: TokenStream) -> TokenStream {
    signature::derive(item.into()).into()
}

/// The derive underneath `#[module]`. Not for use by hand.
#[doc(hidden)]
#[proc_macro_derive(DeriveModule, attributes(__karat))]
pub fn derive_module(item: TokenStream) -> TokenStream {
    module::derive(item.into()).into()
}

/// Emits nothing: it makes serde's and schemars' attributes legal on generated structs whose user listed neither derive.
#[doc(hidden)]
#[proc_macro_derive(Inert, attributes(serde, schemars))]
pub fn inert(_: TokenStream) -> TokenStream {
    TokenStream::new()
}
