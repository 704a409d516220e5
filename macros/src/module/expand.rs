//! Writes the tokens of a checked block. Nothing can fail here.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::{Attribute, Type, spanned::Spanned};

use super::block::{Argument, Block, Checked, Forward, Input};
use crate::{naming, runtime::Runtime, source};

impl Checked {
    /// `impl Module`, and an inherent impl with the other items.
    pub(crate) fn expand(self, runtime: &Runtime) -> TokenStream {
        match self {
            Self::Module(block) => block.expand(runtime),
            Self::Other(tokens) => tokens,
        }
    }
}

impl Block {
    fn expand(&self, runtime: &Runtime) -> TokenStream {
        let private = runtime.private();
        let Self { impl_token, self_ty, source, others, attributes, .. } = self;
        let (parameters, _, clause) = self.generics.split_for_impl();

        let input = self.input.ty();
        let output = self.output.as_ref().map_or_else(|| quote!(()), |ty| output_of(ty, &private));
        let forward = match (&self.forward, &self.output) {
            (Some(forward), Some(output)) => forward.expand(&self.input, output),
            // The mistake is reported; this keeps programs that call the module free of further errors.
            _ => quote! {
                async fn forward(&self, _: Self::Input) -> #private::Result<#private::Prediction<Self::Output>> { loop {} }
            },
        };
        let generated = self.input.expand(self_ty);
        // Docs stand once, on the block that the user sees in the documentation.
        let plain =
            attributes.iter().filter(|attribute| others.is_empty() || !attribute.path().is_ident("doc"));
        let inherent = (!others.is_empty())
            .then(|| quote!(#(#attributes)* #impl_token #parameters #self_ty #clause { #(#others)* }));
        quote! {
            #generated
            #(#plain)*
            #impl_token #parameters #private::Module for #self_ty #clause {
                type Input = #input;
                type Output = #output;
                #forward
                fn source(&self) -> #private::Option<&'static str> {
                    #private::Option::Some(#source)
                }
            }
            #inherent
        }
    }
}

impl Forward {
    /// The function as the user wrote it; several arguments are taken out of their struct.
    fn expand(&self, input: &Input, output: &Type) -> TokenStream {
        let Self { attributes, async_token, fn_token, ident, receiver, body } = self;
        let argument = match input {
            Input::None => quote!(_: ()),
            Input::One(argument, _) => argument.to_token_stream(),
            Input::Struct(name, arguments) => {
                let fields = arguments.iter().map(
                    |Argument {
                         attributes,
                         mutability,
                         ident,
                         ..
                     }| { quote!(#(#attributes)* #mutability #ident) },
                );
                quote!(#name { #(#fields),* }: #name)
            }
        };
        quote!(#(#attributes)* #async_token #fn_token #ident(#receiver, #argument) -> #output #body)
    }
}

/// The output behind a return type, also behind an alias. The whole expression stands where the type does, and so does the error about a
/// type that has none.
fn output_of(ty: &Type, private: &TokenStream) -> TokenStream {
    let first = ty.span();
    let last = ty.to_token_stream().into_iter().last().map_or(first, |token| token.span());
    let start = quote_spanned!(first=> <#ty as #private::ForwardOutput>::);
    let end = quote_spanned!(last=> Output);
    quote!(#start #end)
}

impl Input {
    fn ty(&self) -> TokenStream {
        match self {
            Self::None => quote!(()),
            Self::One(_, ty) => ty.to_token_stream(),
            Self::Struct(name, _) => name.to_token_stream(),
        }
    }

    /// The struct that several arguments become. It is public because an impl block does not show how public its type is, so types less
    /// public than it are no mistake.
    fn expand(&self, self_ty: &Type) -> TokenStream {
        let Self::Struct(name, arguments) = self else {
            return TokenStream::new();
        };
        let owner = source::tidy(&self_ty.to_token_stream());
        let doc = format!("What the module `{owner}` takes: the arguments of its `forward`.");
        let fields = arguments.iter().map(|Argument { attributes, docs, ident, ty, .. }| {
            let text = format!("The argument `{}`.", naming::bare(ident));
            let fallback = docs.is_empty().then(|| quote!(#[doc = #text]));
            let attributes = attributes.iter().filter(|attribute| is_for_fields(attribute));
            quote!(#(#docs)* #fallback #(#attributes)* pub #ident: #ty)
        });
        quote! {
            #[doc = #doc]
            #[derive(::core::clone::Clone, ::core::fmt::Debug)]
            #[allow(private_interfaces, unreachable_pub)]
            pub struct #name { #(#fields),* }
        }
    }
}

/// Lint levels are for the argument alone: a field has other lints.
fn is_for_fields(attribute: &Attribute) -> bool {
    ["cfg", "cfg_attr"].iter().any(|word| attribute.path().is_ident(word))
}
