//! The derives of a struct under an attribute macro: the user's, those that are always there, and the private one underneath.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Attribute, Meta, Path, Token, parse_quote, punctuated::Punctuated};

/// A comma-separated list of derives.
type List = Punctuated<Path, Token![,]>;

/// The helper attribute that carries an attribute macro's findings to its private derive. Those underneath the user's `cfg_attr` are
/// resolved by rustc before the derive sees them.
pub(crate) const CARRIER: &str = "__karat";

/// A derive that an attribute macro always adds, unless the user lists it too.
pub(crate) struct Always {
    name: &'static str,
    path: &'static str,
}

/// `Clone`: a rollout is a configured copy.
pub(crate) const CLONE: Always = Always { name: "Clone", path: "::core::clone::Clone" };

/// `Debug`: values show in traces and errors.
pub(crate) const DEBUG: Always = Always { name: "Debug", path: "::core::fmt::Debug" };

impl Always {
    /// True if the user's derive has the same name; where it is from does not matter, since two impls would clash.
    fn is(&self, derive: &Path) -> bool {
        derive.segments.last().is_some_and(|segment| segment.ident == self.name)
    }

    fn path(&self) -> TokenStream {
        self.path.parse().unwrap_or_default()
    }
}

/// Those of the derives that are always there and that the list lacks.
pub(crate) fn missing(listed: &List, always: &[Always]) -> Vec<TokenStream> {
    always.iter().filter(|always| !listed.iter().any(|derive| always.is(derive))).map(Always::path).collect()
}

/// Puts the derives that are always there on an item that gets no private one.
pub(crate) fn complete(attributes: &mut Vec<Attribute>, always: &[Always]) {
    let lists = attributes.iter().filter(|attribute| attribute.path().is_ident("derive"));
    let listed = lists
        .filter_map(|attribute| attribute.parse_args_with(List::parse_terminated).ok())
        .flatten()
        .collect();
    let missing = missing(&listed, always);
    attributes.push(parse_quote!(#[derive(#(#missing),*)]));
}

/// Puts the derives that are always there and the private one on a struct, at the place of the user's first `#[derive(..)]` (so that
/// derive helpers below it stay legal and attribute macros above it run first). `carried` goes into the carrier attribute; if
/// `carry_derives`, so does the user's own list.
pub(crate) fn add(
    attributes: &mut Vec<Attribute>,
    always: &[Always],
    private: &TokenStream,
    carried: &TokenStream,
    carry_derives: bool,
) {
    let carrier = syn::Ident::new(CARRIER, proc_macro2::Span::call_site());
    let mut listed = List::new();
    let mut place = None;
    let mut kept = Vec::new();
    for mut attribute in attributes.drain(..) {
        if attribute.path().is_ident("derive") {
            if let Ok(list) = attribute.parse_args_with(List::parse_terminated) {
                place.get_or_insert(kept.len());
                listed.extend(list);
                continue;
            }
        }
        if attribute.path().is_ident("cfg_attr") {
            conditional(&mut attribute.meta, always, carry_derives);
        }
        kept.push(attribute);
    }
    let missing = missing(&listed, always);
    let derive: Attribute = parse_quote!(#[derive(#(#missing,)* #private, #listed)]);
    let carry: Attribute = match carry_derives && !listed.is_empty() {
        true => parse_quote!(#[#carrier(#carried, derive(#listed))]),
        false => parse_quote!(#[#carrier(#carried)]),
    };
    let place = place.unwrap_or(0);
    kept.splice(place..place, [derive, carry]);
    *attributes = kept;
}

/// The derives inside of a `cfg_attr`: those that are always there are taken out, and the others are carried too.
fn conditional(meta: &mut Meta, always: &[Always], carry_derives: bool) {
    let Meta::List(list) = meta else { return };
    let Ok(parts) = list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated) else {
        return;
    };
    let carrier = syn::Ident::new(CARRIER, proc_macro2::Span::call_site());
    let mut rewritten: Vec<TokenStream> = Vec::new();
    for (index, mut part) in parts.into_iter().enumerate() {
        if index > 0 && part.path().is_ident("cfg_attr") {
            conditional(&mut part, always, carry_derives);
        }
        let derives = match &part {
            Meta::List(inner) if index > 0 && part.path().is_ident("derive") => {
                inner.parse_args_with(List::parse_terminated).ok()
            }
            _ => None,
        };
        match derives {
            Some(derives) => {
                let derives: List = derives
                    .into_iter()
                    .filter(|derive| !always.iter().any(|always| always.is(derive)))
                    .collect();
                rewritten.push(quote!(derive(#derives)));
                if carry_derives {
                    rewritten.push(quote!(#carrier(derive(#derives))));
                }
            }
            None => rewritten.push(part.into_token_stream()),
        }
    }
    list.tokens = quote!(#(#rewritten),*);
}

/// The contents of a struct's carrier attributes.
#[derive(Default)]
pub(crate) struct Carried {
    /// The path of the runtime crate.
    pub(crate) runtime: Option<Path>,
    /// The user's derives.
    pub(crate) derives: List,
}

impl Carried {
    /// Reads them; the attribute macro wrote them, so nothing can be wrong.
    pub(crate) fn read(attributes: &[Attribute]) -> Self {
        let mut carried = Self::default();
        for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident(CARRIER)) {
            let _ = attribute.parse_nested_meta(|meta| {
                if meta.path.is_ident("derive") {
                    let list;
                    syn::parenthesized!(list in meta.input);
                    carried.derives.extend(List::parse_terminated(&list)?);
                } else {
                    carried.runtime = Some(meta.value()?.parse()?);
                }
                Ok(())
            });
        }
        carried
    }
}
