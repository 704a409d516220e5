//! The raw model of an impl block. Bodies stay tokens.

use proc_macro2::{Group, TokenStream};
use quote::ToTokens;
use syn::{
    Attribute, Generics, ImplItem, Path, Signature, Token, Type, Visibility, braced,
    parse::{Parse, ParseStream},
    token,
};

/// An impl block under `#[module]`.
pub(crate) struct RawBlock {
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) impl_token: Token![impl],
    pub(crate) generics: Generics,
    /// The trait of `impl Trait for Type`.
    pub(crate) of_trait: Option<Path>,
    pub(crate) self_ty: Type,
    /// All functions called `forward`.
    pub(crate) forwards: Vec<RawForward>,
    /// The other items, as they are.
    pub(crate) others: Vec<TokenStream>,
    /// The names of the functions among them, to find a misspelt `forward`.
    pub(crate) names: Vec<syn::Ident>,
    /// The whole block as the user wrote it, without its attributes.
    pub(crate) header: TokenStream,
    pub(crate) body: Group,
}

/// A `forward` in it.
pub(crate) struct RawForward {
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) signature: Signature,
    pub(crate) body: Group,
}

impl Parse for RawBlock {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut attributes = input.call(Attribute::parse_outer)?;
        let whole: TokenStream = input.fork().parse()?;
        // rustc refuses an unsafe block without a trait itself.
        input.parse::<Option<Token![unsafe]>>()?;
        let impl_token: Token![impl] = input.parse()?;
        let mut generics = match input.peek(Token![<]) && !is_qualified_path(input) {
            true => input.parse()?,
            false => Generics::default(),
        };
        let first: Type = input.parse()?;
        let (of_trait, self_ty) = match input.parse::<Option<Token![for]>>()? {
            Some(_) => (Some(path_of(first)?), input.parse()?),
            None => (None, first),
        };
        generics.where_clause = input.parse()?;
        let content;
        let brace: token::Brace = braced!(content in input);
        attributes.extend(content.call(Attribute::parse_inner)?);

        let (mut forwards, mut others, mut names) = (Vec::new(), Vec::new(), Vec::new());
        while !content.is_empty() {
            match parse_function(&content)? {
                Some((function, _)) if function.signature.ident == "forward" => forwards.push(function),
                Some((function, tokens)) => {
                    names.push(function.signature.ident);
                    others.push(tokens);
                }
                None => others.push(content.parse::<ImplItem>()?.into_token_stream()),
            }
        }
        let (header, body) = crate::source::split_body(whole)
            .unwrap_or_else(|| (TokenStream::new(), crate::source::empty_body(brace.span.join())));
        Ok(Self {
            attributes,
            impl_token,
            generics,
            of_trait,
            self_ty,
            forwards,
            others,
            names,
            header,
            body,
        })
    }
}

/// `impl <T as Trait>::Type { .. }` has no generics.
fn is_qualified_path(input: ParseStream<'_>) -> bool {
    let ahead = input.fork();
    ahead.parse::<Generics>().is_err()
}

fn path_of(ty: Type) -> syn::Result<Path> {
    match ty {
        Type::Path(path) if path.qself.is_none() => Ok(path.path),
        Type::Group(group) => path_of(*group.elem),
        other => Err(syn::Error::new_spanned(other, "expected a trait")),
    }
}

/// The next item if it is a function with a body, and its tokens.
fn parse_function(input: ParseStream<'_>) -> syn::Result<Option<(RawForward, TokenStream)>> {
    let ahead = input.fork();
    let attributes = ahead.call(Attribute::parse_outer)?;
    let visibility: Visibility = ahead.parse()?;
    let Ok(signature) = ahead.parse::<Signature>() else {
        return Ok(None);
    };
    let Ok(body) = ahead.parse::<Group>() else {
        return Ok(None);
    };
    syn::parse::discouraged::Speculative::advance_to(input, &ahead);
    let mut tokens = TokenStream::new();
    attributes.iter().for_each(|attribute| attribute.to_tokens(&mut tokens));
    visibility.to_tokens(&mut tokens);
    signature.to_tokens(&mut tokens);
    body.to_tokens(&mut tokens);
    Ok(Some((RawForward { attributes, signature, body }, tokens)))
}
