//! Writes a rule as calls of the runtime's builder.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::{Expr, ExprLit, Ident, Lit, LitInt, LitStr, Type, UnOp, spanned::Spanned};

use super::{Rule, plain};
use crate::{naming, number::Number, types};

/// The rules as a closure on the runtime's builder.
pub(crate) fn expand<'a>(rules: impl Iterator<Item = &'a Rule>, ty: &Type) -> TokenStream {
    // The locals are hidden from the user's paths and expressions.
    let builder = Ident::new("__r", Span::mixed_site());
    let all = rules.fold(quote!(#builder), |builder, rule| rule.expand(builder, ty));
    quote!(|#builder| #all)
}

impl Rule {
    /// The builder with this rule added to it.
    fn expand(&self, builder: TokenStream, ty: &Type) -> TokenStream {
        match self {
            Self::Bounds(bounds) => bounds.iter().fold(builder, |builder, (method, bound)| {
                let method = Ident::new(method, Span::call_site());
                let bound = with_room(bound, method == "min_length" || method == "max_length");
                quote!(#builder.#method(#bound))
            }),
            Self::Pattern(pattern) => quote!(#builder.pattern(#pattern)),
            Self::OneOf(values) => {
                let values = values.iter().map(one_value);
                quote!(#builder.one_of([#(#values),*]))
            }
            Self::Inner(rules) => {
                let inner = expand(rules.iter().map(|(_, rule)| rule), ty);
                quote!(#builder.inner(#inner))
            }
            Self::Check { path, words } => {
                let ty = types::without_option(ty);
                let name = path.to_token_stream().to_string().replace(' ', "");
                let words = words.as_ref().map_or_else(|| quote!(""), ToTokens::to_token_stream);
                // Whatever is wrong with the fn is an error at its path.
                let place = naming::place(path);
                let value = Ident::new("__v", Span::mixed_site().located_at(place));
                let call = quote_spanned!(place=> __k::CheckOutcome::outcome(#path(#value)));
                let base = quote_spanned!(naming::place(ty)=> <#ty as __k::FieldType>::check);
                quote!(#base(#builder, #name, #words, |#value| #call))
            }
        }
    }
}

/// A whole number without a type gets the widest: `i32` would be taken, which may be too narrow.
fn with_room(bound: &Expr, is_length: bool) -> TokenStream {
    match plain(bound) {
        Expr::Lit(ExprLit { lit: Lit::Int(int), .. }) if int.suffix().is_empty() && !is_length => {
            LitInt::new(&format!("{}i128", int.base10_digits()), int.span()).to_token_stream()
        }
        Expr::Unary(unary) if matches!(unary.op, UnOp::Neg(_)) => {
            let (op, inner) = (&unary.op, with_room(&unary.expr, is_length));
            quote!(#op #inner)
        }
        other => other.to_token_stream(),
    }
}

/// A value of `one_of`.
fn one_value(value: &Expr) -> TokenStream {
    let value = match (Number::of(value), plain(value)) {
        (Some(Number::Whole(whole)), _) => {
            let kind = if i64::try_from(whole).is_ok() { "i64" } else { "u64" };
            let text = format!("{}{kind}", whole.unsigned_abs());
            let literal = LitInt::new(&text, value.span());
            if whole < 0 { quote!(-#literal) } else { literal.to_token_stream() }
        }
        (_, Expr::Lit(ExprLit { lit: Lit::Char(char), .. })) => {
            LitStr::new(&char.value().to_string(), char.span()).to_token_stream()
        }
        (_, other) => other.to_token_stream(),
    };
    quote!(__k::Value::from(#value))
}
