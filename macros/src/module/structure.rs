//! `#[module]` on a struct: `Clone`, and a traversal that visits every field but those that are marked.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::{
    Attribute, Data, DeriveInput, GenericParam, Generics, Ident, ItemStruct, Meta, Token, Type, parse_quote,
    punctuated::Punctuated,
};

use crate::{
    attributes,
    derives::{self, CARRIER, CLONE, Carried},
    diagnostics::Diagnostics,
    naming,
    runtime::Runtime,
    types,
};

/// Puts the private derive on the struct. The fields' `#[module(..)]` become the derive's helper attribute, since the name `module` is
/// taken by the attribute macro itself.
pub(crate) fn reemit(mut item: ItemStruct, runtime: &Runtime) -> TokenStream {
    for field in &mut item.fields {
        for attribute in &mut field.attrs {
            rename(&mut attribute.meta);
        }
    }
    let (root, private) = (runtime.root(), runtime.private());
    derives::add(&mut item.attrs, &[CLONE], &quote!(#private::DeriveModule), &quote!(crate = #root), false);
    item.into_token_stream()
}

/// `module(..)` becomes the helper, also inside of `cfg_attr`.
fn rename(meta: &mut Meta) {
    if meta.path().segments.last().is_some_and(|segment| segment.ident == "module") {
        let path = match meta {
            Meta::Path(path) => path,
            Meta::List(list) => &mut list.path,
            Meta::NameValue(pair) => &mut pair.path,
        };
        let span =
            path.segments.last().map_or_else(proc_macro2::Span::call_site, |segment| segment.ident.span());
        *path = Ident::new(CARRIER, span).into();
    } else if let Meta::List(list) = meta {
        if list.path.is_ident("cfg_attr") {
            if let Ok(mut parts) = list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated) {
                parts.iter_mut().skip(1).for_each(rename);
                list.tokens = parts.into_token_stream();
            }
        }
    }
}

/// The private derive: which fields are visited, and the traversal.
pub(crate) fn derive(item: &DeriveInput, diagnostics: &mut Diagnostics) -> TokenStream {
    let runtime = Runtime::new(Carried::read(&item.attrs).runtime.as_ref());
    let Data::Struct(data) = &item.data else {
        return TokenStream::new();
    };
    let visited: Vec<_> = data
        .fields
        .members()
        .zip(&data.fields)
        .filter(|(_, field)| !is_skipped(&field.attrs, diagnostics))
        .map(|(member, field)| {
            let name = match &member {
                syn::Member::Named(ident) => naming::bare(ident),
                syn::Member::Unnamed(index) => index.index.to_string(),
            };
            (member, name, &field.ty)
        })
        .collect();
    let shared = visited.iter().map(|(member, name, ty)| {
        // Through the qualified trait, as in signatures: one error for a type that is no module, and at that type.
        let visit = quote_spanned!(naming::place(ty)=> <#ty as __k::Traverse>::walk_field);
        quote!(#visit(&self.#member, #name, __w);)
    });
    let exclusive = visited.iter().map(|(member, name, ty)| {
        let visit = quote_spanned!(naming::place(ty)=> <#ty as __k::Traverse>::walk_field_mut);
        quote!(#visit(&mut self.#member, #name, __w);)
    });
    let walker = match visited.is_empty() {
        true => quote!(_),
        false => quote!(__w),
    };
    let traversal = traversal(
        &item.ident,
        &item.generics,
        &runtime,
        quote!(#(#shared)*),
        &walker,
        quote!(#(#exclusive)*),
    );
    let clashes = clashes(visited.iter().map(|(_, _, ty)| *ty), &item.generics, &runtime);
    quote!(#traversal #clashes)
}

/// Asks of every type in the fields whether it adds a field to a signature that has one of that name. A type that names a parameter
/// of the struct is known at run time alone, where the first call says so.
fn clashes<'t>(
    types: impl Iterator<Item = &'t Type>,
    generics: &Generics,
    runtime: &Runtime,
) -> Option<TokenStream> {
    let parameters: Vec<_> = generics.params.iter().map(parameter).chain(["Self".to_owned()]).collect();
    let mut known = Vec::new();
    let mut parts = Vec::new();
    types.for_each(|ty| types::paths(ty, &mut parts));
    let asked: Vec<_> = parts
        .into_iter()
        .filter_map(|ty| {
            let tokens = ty.to_token_stream();
            let is_generic = parameters.iter().any(|name| types::mentions(&tokens, &[name]));
            // Basic types and std's texts add no field.
            let name = types::last(ty).map(|name| name.to_string()).unwrap_or_default();
            let is_plain = name == "String" || name.starts_with(char::is_lowercase);
            if is_generic || is_plain || known.contains(&tokens.to_string()) {
                return None;
            }
            known.push(tokens.to_string());
            Some(quote_spanned!(naming::place(ty)=> const _: () = __k::Probe::<#ty>::CLASH.report();))
        })
        .collect();
    let private = runtime.private();
    (!asked.is_empty()).then(|| {
        quote! {
            const _: () = {
                use #private as __k;
                #[allow(unused_imports)]
                use __k::NoClash as _;
                #(#asked)*
            };
        }
    })
}

/// The name of a generic parameter; a lifetime's without its tick.
fn parameter(parameter: &GenericParam) -> String {
    match parameter {
        GenericParam::Type(parameter) => naming::bare(&parameter.ident),
        GenericParam::Const(parameter) => naming::bare(&parameter.ident),
        GenericParam::Lifetime(parameter) => naming::bare(&parameter.lifetime.ident),
    }
}

/// True if a field is marked `skip`; reports whatever else is said about it.
fn is_skipped(attributes: &[Attribute], diagnostics: &mut Diagnostics) -> bool {
    let mut skipped = false;
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident(CARRIER)) {
        let settings = match &attribute.meta {
            Meta::List(_) => attributes::MODULE_FIELD.read(attribute, diagnostics),
            _ => {
                let message = "a field of a module needs no mark; one that holds no predictors is marked `#[module(skip)]`";
                diagnostics.at(attribute.path(), message);
                Vec::new()
            }
        };
        for setting in settings {
            if skipped {
                diagnostics.at(setting.word, "the field is marked `#[module(skip)]` twice: keep one");
            }
            skipped = true;
        }
        // A word that could not be read was reported; a visit of the field would report it a second time.
        skipped = true;
    }
    skipped
}

/// A traversal that visits nothing, for an item that was taken for a module.
pub(crate) fn stub(
    attributes: &mut Vec<Attribute>,
    ident: &Ident,
    generics: &Generics,
    runtime: &Runtime,
) -> TokenStream {
    derives::complete(attributes, &[CLONE]);
    traversal_of_nothing(ident, generics, runtime)
}

/// A traversal that visits nothing.
pub(crate) fn traversal_of_nothing(ident: &Ident, generics: &Generics, runtime: &Runtime) -> TokenStream {
    traversal(ident, generics, runtime, TokenStream::new(), &quote!(_), TokenStream::new())
}

fn traversal(
    ident: &Ident,
    generics: &Generics,
    runtime: &Runtime,
    shared: TokenStream,
    walker_mut: &TokenStream,
    exclusive: TokenStream,
) -> TokenStream {
    let private = runtime.private();
    let mut generics = generics.clone();
    if !generics.params.is_empty() {
        // A traversal is of owned parts; generics need not say so themselves.
        generics.make_where_clause().predicates.push(parse_quote!(Self: 'static));
    }
    let (parameters, arguments, clause) = generics.split_for_impl();
    quote! {
        const _: () = {
            use #private as __k;
            #[automatically_derived]
            impl #parameters __k::Traverse for #ident #arguments #clause {
                fn walk<'__a>(&'__a self, __w: &mut __k::Walker<'__a, '_>) {
                    __w.module(self);
                    #shared
                }
                fn walk_mut<'__a>(&'__a mut self, #walker_mut: &mut __k::WalkerMut<'__a, '_>) {
                    #exclusive
                }
            }
        };
    }
}
