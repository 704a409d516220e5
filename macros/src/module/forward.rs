//! Checks `forward`.

use quote::{ToTokens, format_ident};
use syn::{Attribute, FnArg, Generics, Ident, Pat, PatType, ReceiverKind, ReturnType, Safety, Type};

use super::{
    block::{Argument, Forward, Input},
    parse::RawForward,
};
use crate::{
    diagnostics::Diagnostics,
    source::tidy,
    types::{self, find, mentions},
};

/// Checks `forward`; returns its input and output as far as they can be known, and `forward` itself if it can stay.
pub(crate) fn check(
    raw: RawForward,
    generics: &Generics,
    self_ty: &Type,
    diagnostics: &mut Diagnostics,
) -> (Input, Option<Type>, Option<Forward>) {
    let RawForward { attributes, signature, body } = raw;
    let ident = signature.ident.clone();
    check_qualifiers(&signature, diagnostics);
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("cfg")) {
        diagnostics.at(
            attribute,
            "`forward` is always there: put `#[cfg(..)]` on the whole block, or inside of the body",
        );
    }
    let asyncness = signature.asyncness;
    if asyncness.is_none() {
        diagnostics.at(
            signature.fn_token,
            "`forward` calls language models and must be async: write `async fn forward`",
        );
    }
    let is_generic = check_generics(&signature, diagnostics);
    let output = check_output(&signature, diagnostics);

    let mut arguments = Vec::new();
    let mut receiver = None;
    for argument in signature.inputs {
        match argument {
            FnArg::Receiver(found) => receiver = Some(found),
            FnArg::Typed(argument) => arguments.push(argument),
        }
    }
    let has_receiver = match &receiver {
        Some(receiver) => check_receiver(receiver, diagnostics),
        None => {
            diagnostics
                .at(&ident, "`forward` runs a module, which it takes first: write `forward(&self, ..)`");
            false
        }
    };
    let input = match is_generic {
        true => None,
        false => check_arguments(arguments, generics, self_ty, diagnostics),
    };

    let forward = match (asyncness, receiver) {
        (Some(async_token), Some(receiver)) if has_receiver && input.is_some() && output.is_some() => {
            Some(Forward { attributes, async_token, fn_token: signature.fn_token, ident, receiver, body })
        }
        _ => None,
    };
    (input.unwrap_or(Input::None), output, forward)
}

fn check_qualifiers(signature: &syn::Signature, diagnostics: &mut Diagnostics) {
    const MESSAGE: &str = "`forward` is a plain `async fn`: remove the word";
    if let Some(word) = &signature.constness {
        diagnostics.at(word, MESSAGE);
    }
    if let Safety::Unsafe(word) = &signature.safety {
        diagnostics.at(word, MESSAGE);
    }
    if let Some(word) = &signature.abi {
        diagnostics.at(word, MESSAGE);
    }
}

/// True if `forward` has parameters of its own: a module has one input type and one output type.
fn check_generics(signature: &syn::Signature, diagnostics: &mut Diagnostics) -> bool {
    const WAY_OUT: &str = "put them on the struct and the block: `impl<S: Signature> Rag<S>`";
    if !signature.generics.params.is_empty() {
        let message = format!(
            "a module has one input and one output type, so `forward` takes no parameters of its own: {WAY_OUT}"
        );
        diagnostics.at(&signature.generics, message);
        return true;
    }
    if let Some(clause) = &signature.generics.where_clause {
        diagnostics.at(
            clause,
            "`forward` has no conditions of its own: move them to the block, `impl<..> Rag<..> where ..`",
        );
        return true;
    }
    let mut generic = false;
    for argument in &signature.inputs {
        if let FnArg::Typed(argument) = argument {
            if let Some(ty) = find(&argument.ty, &|ty| matches!(ty, Type::ImplTrait(_))) {
                let message = format!(
                    "a module has one input type, and `impl Trait` stands for many: name one, or {WAY_OUT}"
                );
                diagnostics.at(ty, message);
                generic = true;
            }
        }
    }
    generic
}

fn check_output(signature: &syn::Signature, diagnostics: &mut Diagnostics) -> Option<Type> {
    match &signature.output {
        ReturnType::Type(_, ty) if mentions(&ty.to_token_stream(), &["Self", "Output"]) => {
            let message = "`Self::Output` is what this return type decides: name the type, `karat::Result<Prediction<QaOutput>>`";
            diagnostics.at(ty, message);
            None
        }
        ReturnType::Type(_, ty) => match right_output(ty) {
            None => Some((**ty).clone()),
            Some(right) => {
                diagnostics.at(ty, format!("`forward` gives a prediction or an error: return `{right}`"));
                None
            }
        },
        ReturnType::Default => {
            let message = "`forward` gives a prediction: write what it returns, `-> karat::Result<Prediction<QaOutput>>`";
            diagnostics.at(&signature.ident, message);
            None
        }
    }
}

/// The correction of a return type that is visibly wrong; `None` for one that is right, and for one that may be an alias. rustc
/// reports a wrong alias, but more than once.
fn right_output(ty: &Type) -> Option<String> {
    let right =
        |output: &Type| format!("karat::Result<karat::Prediction<{}>>", tidy(&output.to_token_stream()));
    let written = || tidy(&ty.to_token_stream());
    match (types::last(ty), types::argument(ty)) {
        (Some(name), Some(output)) if name == "Result" => match types::last(output) {
            Some(name) if !is_plain_value(&name) => None,
            _ => Some(right(output)),
        },
        (Some(name), _) if name == "Prediction" => Some(format!("karat::Result<{}>", written())),
        (Some(name), _) if !is_plain_value(&name) => None,
        _ => Some(right(ty)),
    }
}

/// True for the types that outputs mostly are: nobody gives their names to aliases of `Result` or of `Prediction`.
fn is_plain_value(name: &Ident) -> bool {
    const KNOWN: [&str; 9] = ["String", "Vec", "Option", "bool", "char", "f64", "usize", "u32", "Reasoned"];
    let name = name.to_string();
    KNOWN.contains(&name.as_str()) || name.ends_with("Output")
}

/// True if the receiver is `&self`.
fn check_receiver(receiver: &syn::Receiver, diagnostics: &mut Diagnostics) -> bool {
    const WAY_OUT: &str =
        "write `&self`; what changes from run to run belongs into the input, or behind a lock";
    let place = match &receiver.kind {
        ReceiverKind::Reference(_, _, None) => return true,
        ReceiverKind::Reference(_, _, Some(word)) => word.to_token_stream(),
        ReceiverKind::Value => receiver.self_token.to_token_stream(),
        ReceiverKind::Typed(_, ty) => ty.to_token_stream(),
        // syn leaves itself room for receivers to come, such as pinned ones.
        _ => receiver.to_token_stream(),
    };
    diagnostics.at(
        place,
        format!("`forward` leaves the module as it is, since it runs many times and at once: {WAY_OUT}"),
    );
    false
}

/// `None` if some argument cannot be part of an input.
fn check_arguments(
    arguments: Vec<PatType>,
    generics: &Generics,
    self_ty: &Type,
    diagnostics: &mut Diagnostics,
) -> Option<Input> {
    let mut right = true;
    for argument in &arguments {
        let borrowed = find(&argument.ty, &|ty| match ty {
            Type::Reference(reference) => {
                reference.lifetime.as_ref().is_none_or(|lifetime| lifetime.ident != "static")
            }
            _ => false,
        });
        if let Some(ty) = borrowed {
            let message = "a module owns its input, since runs are spawned and repeated: take an owned type, such as `String` \
                           for `&str`, `Vec` for a slice, `Arc` for what is large";
            diagnostics.at(ty, message);
            right = false;
        } else if mentions(&argument.ty.to_token_stream(), &["Self", "Input"]) {
            diagnostics.at(&argument.ty, "`Self::Input` is what this argument decides: name the type");
            right = false;
        }
    }
    let single = arguments.len() < 2;
    let input = match single {
        true => arguments.into_iter().next().map_or(Input::None, |argument| {
            let ty = argument.ty.clone();
            Input::One(FnArg::Typed(argument), ty)
        }),
        false => {
            let name = name_of(self_ty, diagnostics)?;
            let arguments: Vec<_> = arguments
                .into_iter()
                .map(|argument| check_argument(argument, &name, generics, diagnostics))
                .collect();
            Input::Struct(name, arguments.into_iter().collect::<Option<_>>()?)
        }
    };
    right.then_some(input)
}

/// The name of the struct that several arguments become.
fn name_of(self_ty: &Type, diagnostics: &mut Diagnostics) -> Option<Ident> {
    match self_ty {
        Type::Path(path) => path.path.segments.last().map(|segment| format_ident!("{}Input", segment.ident)),
        Type::Group(group) => name_of(&group.elem, diagnostics),
        other => {
            diagnostics.at(other, "`#[module]` goes on the impl block of a struct");
            None
        }
    }
}

/// One of several arguments as a field.
fn check_argument(
    argument: PatType,
    name: &Ident,
    generics: &Generics,
    diagnostics: &mut Diagnostics,
) -> Option<Argument> {
    let tokens = argument.ty.to_token_stream();
    let parameters = generics.params.iter().map(|parameter| match parameter {
        syn::GenericParam::Lifetime(parameter) => parameter.lifetime.ident.to_string(),
        syn::GenericParam::Type(parameter) => parameter.ident.to_string(),
        syn::GenericParam::Const(parameter) => parameter.ident.to_string(),
    });
    let found = parameters.chain(["Self".to_owned()]).find(|parameter| mentions(&tokens, &[parameter]));
    if let Some(parameter) = found {
        let message = format!(
            "several arguments become the struct `{name}`, which does not know `{parameter}`: take one argument, a struct of your \
             own or a tuple"
        );
        diagnostics.at(&argument.ty, message);
        return None;
    }
    match *argument.pat {
        Pat::Ident(pattern) if pattern.by_ref.is_none() && pattern.subpat.is_none() => {
            let (docs, attributes): (Vec<Attribute>, Vec<Attribute>) =
                argument.attrs.into_iter().partition(|attribute| attribute.path().is_ident("doc"));
            let (mutability, ident) = (pattern.mutability, pattern.ident);
            Some(Argument { attributes, docs, mutability, ident, ty: *argument.ty })
        }
        pattern => {
            let message = format!(
                "several arguments become the fields of the struct `{name}`, so each needs a plain name: take it apart in the body, \
                 or take one argument"
            );
            diagnostics.at(pattern, message);
            None
        }
    }
}
