//! The traits that everything behind a handle implements: models, and layers around them.

mod language_model;
mod layer;

pub use self::{
    language_model::{BoxFuture, LanguageModel},
    layer::{Layer, Next},
};
