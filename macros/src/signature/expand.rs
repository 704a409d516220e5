//! Writes the tokens of a checked signature. Nothing can fail here.
//!
//! Field types are always named through the qualified trait (`<T as FieldType>::..`): rustc then reports a type that is none with the
//! same words at every use, and drops the repetitions, so that one wrong type is one error.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::{Attribute, Ident, Type};

use super::{
    model::{Field, Signature},
    role::Role,
};
use crate::{
    derives::{self, CLONE, DEBUG},
    naming, rules,
    runtime::Runtime,
    types::{self, Kind},
};

/// The two structs and the impls.
pub(crate) fn expand(signature: &Signature, runtime: &Runtime) -> TokenStream {
    let private = runtime.private();
    let structs = Role::ALL.map(|role| expand_struct(signature, role, &private));
    let impls = Role::ALL.map(|role| expand_fields(signature, role));
    let main = expand_signature(signature);
    let allow = deprecated(signature).then(|| quote!(#[allow(deprecated)]));
    quote! {
        #(#structs)*
        #allow
        const _: () = {
            use #private as __k;
            #main
            #(#impls)*
        };
    }
}

/// `QaInput` or `QaOutput`: the fields as declared.
fn expand_struct(signature: &Signature, role: Role, private: &TokenStream) -> TokenStream {
    let Signature { visibility, attributes, .. } = signature;
    let ident = half(signature, role);
    let owner = naming::bare(&signature.ident);
    let doc = match role {
        Role::Input => format!("Inputs of [`{owner}`]."),
        Role::Output => format!("Outputs of [`{owner}`]."),
    };
    let listed = signature.derives.iter().cloned().collect();
    let always = derives::missing(&listed, &[CLONE, DEBUG]);
    let derives = signature.derives.iter();
    let fields = signature.of(role).map(
        |Field { attributes, visibility, ident, ty, .. }| quote!(#(#attributes)* #visibility #ident: #ty),
    );
    // serde's and schemars' attributes stay on the copies; this makes them legal where their derives are not listed.
    let mut all = attributes.iter().chain(signature.of(role).flat_map(|field| &field.attributes));
    let inert = all.any(is_serde).then(|| quote!(#private::Inert,));
    quote! {
        #[doc = #doc]
        #[derive(#(#always,)* #inert #(#derives),*)]
        #(#attributes)*
        #visibility struct #ident { #(#fields),* }
    }
}

/// Static table, join and split.
fn expand_signature(signature: &Signature) -> TokenStream {
    let Signature { ident, instructions, is_stub, .. } = signature;
    let [input, output] = &signature.halves;
    let name = naming::bare(ident);
    let fields = Role::ALL.into_iter().flat_map(|role| signature.of(role));
    let facts = fields.filter(|field| !field.is_foreign).map(expand_facts);
    // A type that is not shown as a value says so by a constant that goes before this trait's.
    let or_value = signature.of(Role::Input).any(has_kind).then(|| {
        quote! {
            #[allow(unused_imports)]
            use __k::OrValue as _;
        }
    });
    let (join, split) = match is_stub {
        true => (quote!(loop {}), quote!(loop {})),
        false => {
            let whole = signature.fields.iter().map(|Field { ident, role, .. }| match role {
                Role::Input => quote!(#ident: __i.#ident),
                Role::Output => quote!(#ident: __o.#ident),
            });
            let halves = Role::ALL.map(|role| {
                let half = half(signature, role);
                let fields = signature.of(role).map(|Field { ident, .. }| quote!(#ident: self.#ident));
                quote!(#half { #(#fields),* })
            });
            (quote!(Self { #(#whole),* }), quote!((#(#halves),*)))
        }
    };
    quote! {
        #or_value
        const __FIELDS: &[__k::FieldSpec] = &[#(#facts),*];
        #[automatically_derived]
        impl __k::Signature for #ident {
            type Input = #input;
            type Output = #output;
            fn spec() -> &'static __k::Spec {
                static __SPEC: __k::Spec = __k::Spec::new(#name, #instructions, __FIELDS);
                &__SPEC
            }
            fn join(__i: #input, __o: #output) -> Self { #join }
            fn split(self) -> (#input, #output) { #split }
        }
    }
}

/// The static facts of a field.
fn expand_facts(field: &Field) -> TokenStream {
    let Field { ty, name, description, aliases, default, rules, .. } = field;
    let aliases = (!aliases.is_empty()).then(|| quote!(.alias(&[#(#aliases),*])));
    let role = match field.role {
        Role::Input => quote!(INPUT),
        Role::Output => quote!(OUTPUT),
    };
    let base = quote_spanned!(naming::place(ty)=> <#ty as __k::FieldType>::#role);
    let kind =
        has_kind(field).then(|| quote_spanned!(naming::place(ty)=> .of_kind(__k::KindOf::<#ty>::KIND)));
    // The type is written down, so that a default of another type is an error at the default.
    let default = default.as_ref().map(|value| {
        quote!(.or_default(|| {
            let __d: #ty = #value;
            __k::to_value(&__d)
        }))
    });
    let rules = (!rules.is_empty()).then(|| {
        let rules = rules::expand(rules.iter(), ty);
        quote!(.rules(#rules))
    });
    quote!(#base #kind.named(#name, #description) #aliases #default #rules)
}

/// True if the field's type is asked for its kind; an output is a value.
fn has_kind(field: &Field) -> bool {
    field.role == Role::Input && !field.is_foreign && !is_plain(&field.ty)
}

/// True if there is nothing to ask: a text, a number, a truth value, or a list of them.
fn is_plain(ty: &Type) -> bool {
    match types::kind(ty) {
        Some((Kind::Text | Kind::Number | Kind::Truth, _)) => true,
        Some((Kind::List(Some(item)), _)) => is_plain(item),
        _ => false,
    }
}

/// The shims that hand a half's values to the engine and take them from it.
fn expand_fields(signature: &Signature, role: Role) -> TokenStream {
    let half = half(signature, role);
    let write = signature.of(role).map(|Field { ident, ty, .. }| {
        let base = quote_spanned!(naming::place(ty)=> <#ty as __k::FieldType>::put);
        quote!(#base(&self.#ident, __w);)
    });
    let read = signature.of(role).map(|Field { ident, ty, .. }| {
        let base = quote_spanned!(naming::place(ty)=> <#ty as __k::FieldType>::take);
        quote!(#ident: #base(__r)?)
    });
    // A type that was reported already is not to be asked whether it is a field type.
    let (write, read) = match signature.of(role).any(|field| field.is_foreign) {
        true => (quote!(), quote!(loop {})),
        false => (quote!(#(#write)*), quote!(__k::Result::Ok(Self { #(#read),* }))),
    };
    // A half without fields uses neither.
    let (writer, reader) = match signature.of(role).next() {
        Some(_) => (quote!(__w), quote!(__r)),
        None => (quote!(_), quote!(_)),
    };
    let names = signature.of(role).filter(|field| !field.is_foreign).map(|field| &field.name);
    // What a model writes can be a script's reply.
    let answer = match role {
        Role::Input => quote!(),
        Role::Output => quote!(__k::answer!(#half);),
    };
    quote! {
        #[automatically_derived]
        impl __k::Fields for #half {
            const NAMES: &[&str] = &[#(#names),*];
            fn write(&self, #writer: &mut __k::Writer) { #write }
            fn read(#reader: &mut __k::Reader<'_>) -> __k::Result<Self> {
                #read
            }
        }

        #answer
    }
}

fn half(signature: &Signature, role: Role) -> &Ident {
    let [input, output] = &signature.halves;
    match role {
        Role::Input => input,
        Role::Output => output,
    }
}

fn is_serde(attribute: &Attribute) -> bool {
    ["serde", "schemars"].iter().any(|word| attribute.path().is_ident(word))
}

/// True if the expansion names what the user deprecated.
fn deprecated(signature: &Signature) -> bool {
    let fields = signature.fields.iter().flat_map(|field| &field.attributes);
    signature.attributes.iter().chain(fields).any(|attribute| attribute.path().is_ident("deprecated"))
}
