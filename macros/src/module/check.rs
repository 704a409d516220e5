//! Rules about a module's impl block as a whole; those about `forward` are in [`super::forward`].

use quote::{ToTokens, quote};

use super::{
    block::{Block, Checked, Input},
    forward,
    parse::RawBlock,
};
use crate::{
    diagnostics::{Diagnostics, nearest},
    source,
};

/// How a block should look.
const EXAMPLE: &str = "`async fn forward(&self, input: Input) -> karat::Result<Prediction<Output>>`";

/// Checks a block. Whatever is wrong, the block's other items stay, and so does `impl Module` with all that is known of it.
pub(crate) fn check(raw: RawBlock, diagnostics: &mut Diagnostics) -> Checked {
    if let Some(of_trait) = &raw.of_trait {
        let name = of_trait.segments.last().map(|segment| segment.ident.to_string()).unwrap_or_default();
        let ty = source::tidy(&raw.self_ty.to_token_stream());
        let message = match name.as_str() {
            "Module" => format!(
                "`#[module]` writes `impl Module` itself: write `impl {ty} {{ async fn forward(&self, ..) .. }}`"
            ),
            _ => format!(
                "`#[module]` goes on a block without a trait, `impl {ty} {{ async fn forward(&self, ..) .. }}`: take it off this one"
            ),
        };
        diagnostics.at(of_trait, message);
        let (attributes, header, body) = (&raw.attributes, &raw.header, &raw.body);
        return Checked::Other(quote!(#(#attributes)* #header #body));
    }
    let source = source::text(&raw.header, &raw.body);
    let mut forwards = raw.forwards.into_iter();
    let first = forwards.next();
    for further in forwards {
        let message = "a module has one `forward`, and this is another: give it its own name, or make it a module of its own";
        diagnostics.at(&further.signature.ident, message);
    }
    let (input, output, forward) = match first {
        Some(first) => forward::check(first, &raw.generics, &raw.self_ty, diagnostics),
        None => {
            let name_of = |ident: &syn::Ident| ident.to_string();
            match raw.names.iter().find(|name| nearest(&name_of(name), ["forward"]).is_some()) {
                Some(name) => {
                    let message = format!(
                        "a module's run is called `forward`, and this block has none: rename `{name}`"
                    );
                    diagnostics.at(name, message);
                }
                None => {
                    diagnostics.at(&raw.self_ty, format!("a module needs a run in this block: {EXAMPLE}"))
                }
            }
            (Input::None, None, None)
        }
    };
    Checked::Module(Box::new(Block {
        attributes: raw.attributes,
        impl_token: raw.impl_token,
        generics: raw.generics,
        self_ty: raw.self_ty,
        input,
        output,
        forward,
        others: raw.others,
        source,
    }))
}
