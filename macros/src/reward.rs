//! `#[reward]` on a function: its text goes along with each reward, for the advice that `Refine` asks for.

use proc_macro2::{Group, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::{
    Attribute, FnArg, GenericParam, Ident, Pat, ReturnType, Signature, Type, Visibility,
    parse::{Parse, ParseStream},
    parse_quote,
};

use crate::{
    attributes::{self, crate_path},
    diagnostics::Diagnostics,
    naming,
    runtime::Runtime,
    source,
};

const EXAMPLE: &str = "`fn concise(input: &QaInput, prediction: &Prediction<QaOutput>) -> f64`";

/// The raw model: a function whose body stays tokens.
struct RawReward {
    attributes: Vec<Attribute>,
    visibility: Visibility,
    signature: Signature,
    body: Group,
    header: TokenStream,
}

impl Parse for RawReward {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let attributes = input.call(Attribute::parse_outer)?;
        let whole: TokenStream = input.fork().parse()?;
        let visibility = input.parse()?;
        let signature = input.parse()?;
        let body = input.parse()?;
        let header = source::split_body(whole).map(|(header, _)| header).unwrap_or_default();
        Ok(Self { attributes, visibility, signature, body, header })
    }
}

/// The checked model.
enum Reward {
    /// A function that can be wrapped.
    Whole(Box<Type>),
    /// One that cannot; it stays with this return type and an empty body.
    Stub(TokenStream),
    /// One that stays as it is.
    AsWritten,
}

/// The attribute.
pub(crate) fn attribute(words: TokenStream, item: TokenStream) -> TokenStream {
    let mut diagnostics = Diagnostics::default();
    let settings = attributes::REWARD.read_words(words, &mut diagnostics);
    let runtime = Runtime::new(crate_path(&settings));
    let item = match syn::parse2::<RawReward>(item.clone()) {
        Ok(raw) => {
            let reward = check(&raw, &mut diagnostics);
            expand(raw, reward, &runtime)
        }
        Err(error) => {
            match syn::parse2::<syn::Item>(item.clone()) {
                Ok(other) => {
                    let (kind, word) = crate::items::kind(&other);
                    diagnostics.at(word, format!("`#[reward]` goes on a function, not on {kind}: {EXAMPLE}"));
                }
                Err(_) => diagnostics.add(error),
            }
            item
        }
    };
    let errors = diagnostics.into_tokens();
    quote!(#item #errors)
}

fn check(raw: &RawReward, diagnostics: &mut Diagnostics) -> Reward {
    let signature = &raw.signature;
    let mut right = true;
    if let Some(word) = &signature.asyncness {
        let message = "a `#[reward]` function is not async: implement `karat::Reward` for a type where the reward itself waits, as one \
                       that asks a language model does";
        diagnostics.at(word, message);
        right = false;
    }
    let is_method = matches!(signature.inputs.first(), Some(FnArg::Receiver(_)));
    if let Some(FnArg::Receiver(receiver)) = signature.inputs.first() {
        let message = format!(
            "a reward is a function, not a method: write {EXAMPLE}, or implement `karat::Reward` for the type"
        );
        diagnostics.at(receiver, message);
    } else if signature.inputs.len() != 2 {
        let message = format!(
            "a reward takes two arguments, the input and the prediction, and this one takes {}: {EXAMPLE}",
            signature.inputs.len()
        );
        match signature.inputs.iter().nth(2) {
            Some(third) => diagnostics.at(third, message),
            None => diagnostics.at(&signature.ident, message),
        }
    } else {
        for argument in &signature.inputs {
            let FnArg::Typed(argument) = argument else {
                continue;
            };
            if !is_shared_reference(&argument.ty) {
                let message =
                    format!("a reward borrows what it judges: take a shared reference, as in {EXAMPLE}");
                diagnostics.at(&argument.ty, message);
                right = false;
            }
        }
    }
    let as_written = is_method || signature.inputs.len() != 2;
    match &signature.output {
        ReturnType::Default => {
            let message = "a reward returns how good the prediction is: write `-> f64` (or `bool`, `(f64, String)` with feedback, \
                           `Score`, or a `Result` of one)";
            diagnostics.at(&signature.ident, message);
            Reward::Stub(quote!(f64))
        }
        _ if as_written => Reward::AsWritten,
        ReturnType::Type(_, ty) if right => Reward::Whole(ty.clone()),
        ReturnType::Type(_, ty) => Reward::Stub(ty.to_token_stream()),
    }
}

fn is_shared_reference(ty: &Type) -> bool {
    match ty {
        Type::Reference(reference) => reference.mutability.is_none(),
        Type::Group(group) => is_shared_reference(&group.elem),
        Type::Paren(paren) => is_shared_reference(&paren.elem),
        _ => false,
    }
}

/// The user's function goes unchanged into one of the same name, so that `return`, `?` and a call to itself mean what they say.
fn expand(raw: RawReward, reward: Reward, runtime: &Runtime) -> TokenStream {
    let private = runtime.private();
    let RawReward { attributes, visibility, signature, body, header } = raw;
    let score = match reward {
        Reward::Whole(score) => score,
        Reward::Stub(score) => {
            let mut signature = signature;
            signature.asyncness = None;
            signature.output = parse_quote!(-> #private::Sourced<#score>);
            return quote!(#(#attributes)* #[allow(unused_variables)] #visibility #signature { loop {} });
        }
        Reward::AsWritten => return quote!(#(#attributes)* #visibility #signature #body),
    };
    let text = source::text(&header, &body);
    let names = ["__input", "__prediction"].map(|name| Ident::new(name, proc_macro2::Span::mixed_site()));

    let mut outer = signature.clone();
    for (argument, name) in outer.inputs.iter_mut().zip(&names) {
        if let FnArg::Typed(argument) = argument {
            argument.attrs.clear();
            *argument.pat = Pat::Verbatim(name.to_token_stream());
        }
    }
    // A wrong return type is reported where it stands; one with `impl Trait` in it cannot be named a second time.
    let proof = (!mentions_impl(&score)).then(|| {
        let into_score = quote_spanned!(naming::place(&score)=> <#score as #private::IntoScore>::into_score);
        quote!(let _ = #into_score;)
    });
    outer.output = parse_quote!(-> #private::Sourced<#score>);

    let ident = &signature.ident;
    let parameters: Vec<_> = signature
        .generics
        .params
        .iter()
        .filter_map(|parameter| match parameter {
            GenericParam::Type(parameter) => Some(&parameter.ident),
            GenericParam::Const(parameter) => Some(&parameter.ident),
            GenericParam::Lifetime(_) => None,
        })
        .collect();
    let turbofish = (!parameters.is_empty()).then(|| quote!(::<#(#parameters),*>));
    // The input's type is the module's to choose: `&String` is what a module that takes a `String` hands over.
    quote! {
        #(#attributes)*
        #[allow(clippy::ptr_arg)]
        #visibility #outer {
            #signature #body
            #proof
            #private::Sourced::new(#ident #turbofish(#(#names),*), #text)
        }
    }
}

/// True if `impl Trait` is in the type.
fn mentions_impl(ty: &Type) -> bool {
    ty.to_token_stream()
        .into_iter()
        .any(|tree| matches!(tree, proc_macro2::TokenTree::Ident(word) if word == "impl"))
}
