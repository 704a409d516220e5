//! Finds the path of the runtime crate, whatever the user's Cargo.toml calls it.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote};
use syn::{Ident, Path};

/// The path to the runtime crate.
pub(crate) struct Runtime(TokenStream);

impl Runtime {
    /// The path that the user gave with `crate = ".."`, else the name in the user's Cargo.toml.
    pub(crate) fn new(given: Option<&Path>) -> Self {
        Self(given.map_or_else(found, ToTokens::to_token_stream))
    }

    /// The crate itself, to be handed on to a private derive.
    pub(crate) fn root(&self) -> &TokenStream {
        &self.0
    }

    /// The module that has everything which expansions name, so that they depend on nothing in the user's scope.
    pub(crate) fn private(&self) -> TokenStream {
        let root = &self.0;
        quote!(#root::__private)
    }
}

/// The name in the user's Cargo.toml. Inside of the runtime itself (tests, doc tests) `extern crate self as karat` makes the plain name
/// right too, and where nothing is found the plain name gives the plainest error.
fn found() -> TokenStream {
    let name = match proc_macro_crate::crate_name("karat") {
        Ok(proc_macro_crate::FoundCrate::Name(name)) => name,
        Ok(proc_macro_crate::FoundCrate::Itself) | Err(_) => "karat".to_owned(),
    };
    let name = Ident::new(&name, Span::call_site());
    quote!(::#name)
}
