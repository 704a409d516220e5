//! Reads types as far as a macro can: it sees names, not what they stand for.

use proc_macro2::{TokenStream, TokenTree};
use syn::{GenericArgument, Ident, Lifetime, PathArguments, Type};

use crate::naming;

/// Gives every reference in a type that has no lifetime the lifetime `'static`, so that rustc has nothing to add to what a macro says
/// about it.
pub(crate) fn lengthen(ty: &mut Type) {
    match ty {
        Type::Array(ty) => lengthen(&mut ty.elem),
        Type::Group(ty) => lengthen(&mut ty.elem),
        Type::Paren(ty) => lengthen(&mut ty.elem),
        Type::Slice(ty) => lengthen(&mut ty.elem),
        Type::Reference(ty) => {
            ty.lifetime.get_or_insert_with(|| Lifetime::new("'static", ty.and_token.span));
            lengthen(&mut ty.elem);
        }
        Type::Tuple(ty) => ty.elems.iter_mut().for_each(lengthen),
        Type::Path(path) => {
            for segment in &mut path.path.segments {
                if let PathArguments::AngleBracketed(arguments) = &mut segment.arguments {
                    for argument in &mut arguments.args {
                        if let GenericArgument::Type(ty) = argument {
                            lengthen(ty);
                        }
                    }
                }
            }
        }
        _ => {}
    }
}

/// The first type in a type for which the test holds. What stands behind a function pointer or a `dyn` has its own rules and is not
/// searched.
pub(crate) fn find<'a>(ty: &'a Type, test: &dyn Fn(&Type) -> bool) -> Option<&'a Type> {
    if test(ty) {
        return Some(ty);
    }
    match ty {
        Type::Array(ty) => find(&ty.elem, test),
        Type::Group(ty) => find(&ty.elem, test),
        Type::Paren(ty) => find(&ty.elem, test),
        Type::Slice(ty) => find(&ty.elem, test),
        Type::Reference(ty) => find(&ty.elem, test),
        Type::Tuple(ty) => ty.elems.iter().find_map(|ty| find(ty, test)),
        Type::Path(path) => path.path.segments.iter().find_map(|segment| match &segment.arguments {
            PathArguments::AngleBracketed(arguments) => {
                arguments.args.iter().find_map(|argument| match argument {
                    GenericArgument::Type(ty) => find(ty, test),
                    _ => None,
                })
            }
            PathArguments::None | PathArguments::Parenthesized(_) => None,
        }),
        _ => None,
    }
}

/// Every named type in a type, the outer ones first; behind a function pointer or a `dyn` none.
pub(crate) fn paths<'a>(ty: &'a Type, found: &mut Vec<&'a Type>) {
    match ty {
        Type::Array(ty) => paths(&ty.elem, found),
        Type::Group(ty) => paths(&ty.elem, found),
        Type::Paren(ty) => paths(&ty.elem, found),
        Type::Tuple(ty) => ty.elems.iter().for_each(|ty| paths(ty, found)),
        Type::Path(path) => {
            found.push(ty);
            for segment in &path.path.segments {
                if let PathArguments::AngleBracketed(arguments) = &segment.arguments {
                    for argument in &arguments.args {
                        if let GenericArgument::Type(ty) = argument {
                            paths(ty, found);
                        }
                    }
                }
            }
        }
        _ => {}
    }
}

/// The last name of a type's path.
pub(crate) fn last(ty: &Type) -> Option<Ident> {
    match ty {
        Type::Path(path) => path.path.segments.last().map(|segment| segment.ident.clone()),
        Type::Group(ty) => last(&ty.elem),
        Type::Paren(ty) => last(&ty.elem),
        _ => None,
    }
}

/// The type argument of a type's path, if it has but one.
pub(crate) fn argument(ty: &Type) -> Option<&Type> {
    let arguments = match ty {
        Type::Path(path) => &path.path.segments.last()?.arguments,
        Type::Group(ty) => return argument(&ty.elem),
        Type::Paren(ty) => return argument(&ty.elem),
        _ => return None,
    };
    match arguments {
        PathArguments::AngleBracketed(arguments) if arguments.args.len() == 1 => match arguments.args.first()
        {
            Some(GenericArgument::Type(ty)) => Some(ty),
            _ => None,
        },
        _ => None,
    }
}

/// The kind of a type's values, as far as the names of std's types show it.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Kind<'a> {
    Text,
    Number,
    Truth,
    /// With the type of its items.
    List(Option<&'a Type>),
    Map,
}

const NUMBERS: [&str; 14] =
    ["u8", "u16", "u32", "u64", "u128", "usize", "i8", "i16", "i32", "i64", "i128", "isize", "f32", "f64"];

/// The kind of a type, and the type within an `Option`, a `Box` and the like; `None` for a type of the user's.
pub(crate) fn kind(ty: &Type) -> Option<(Kind<'_>, &Type)> {
    let ty = without_option(ty);
    if let Type::Array(array) = ty {
        return Some((Kind::List(Some(&array.elem)), ty));
    }
    let name = last(ty)?.to_string();
    let kind = match name.as_str() {
        "Box" | "Arc" | "Rc" => return kind(argument(ty)?),
        "String" | "str" | "char" => Kind::Text,
        "bool" => Kind::Truth,
        "Vec" | "VecDeque" | "BTreeSet" | "HashSet" => Kind::List(argument(ty)),
        "BTreeMap" | "HashMap" => Kind::Map,
        name if NUMBERS.contains(&name) => Kind::Number,
        _ => return None,
    };
    Some((kind, ty))
}

/// The type within an `Option`, else the type.
pub(crate) fn without_option(ty: &Type) -> &Type {
    match last(ty) {
        Some(name) if name == "Option" => argument(ty).unwrap_or(ty),
        _ => ty,
    }
}

/// True if these words follow one another in the tokens, with at most `::` between them.
pub(crate) fn mentions(tokens: &TokenStream, words: &[&str]) -> bool {
    let mut flat = Vec::new();
    flatten(tokens, &mut flat);
    flat.windows(words.len()).any(|window| window == words)
}

fn flatten(tokens: &TokenStream, flat: &mut Vec<String>) {
    for tree in tokens.clone() {
        match tree {
            TokenTree::Group(group) => flatten(&group.stream(), flat),
            TokenTree::Ident(ident) => flat.push(naming::bare(&ident)),
            TokenTree::Punct(punct) if punct.as_char() == ':' => {}
            TokenTree::Punct(_) | TokenTree::Literal(_) => flat.push(String::new()),
        }
    }
}
