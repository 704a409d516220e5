//! A module whose type is erased.

use std::fmt::{self, Debug};

use karat_lm::{BoxFuture, Result};

use super::{Module, Traverse, Walker, WalkerMut};
use crate::prediction::Prediction;

/// A module of which only input and output are known; itself a module. Made by [`Module::boxed`].
///
/// It is transparent: paths in it are those of the module itself.
pub struct BoxModule<I, O>(Box<dyn Erased<I, O>>);

trait Erased<I: 'static, O: 'static>: Traverse + Send + Sync {
    fn forward(&self, input: I) -> BoxFuture<'_, Result<Prediction<O>>>;
    fn source(&self) -> Option<&'static str>;
    fn clone_box(&self) -> Box<dyn Erased<I, O>>;
}

impl<M: Module> Erased<M::Input, M::Output> for M {
    fn forward(&self, input: M::Input) -> BoxFuture<'_, Result<Prediction<M::Output>>> {
        Box::pin(super::run(self, input))
    }

    fn source(&self) -> Option<&'static str> {
        Module::source(self)
    }

    fn clone_box(&self) -> Box<dyn Erased<M::Input, M::Output>> {
        Box::new(self.clone())
    }
}

impl<I, O> BoxModule<I, O> {
    pub(super) fn new<M: Module<Input = I, Output = O>>(module: M) -> Self {
        Self(Box::new(module))
    }
}

impl<I, O> Module for BoxModule<I, O>
where
    I: Clone + Debug + Send + Sync + 'static,
    O: Clone + Debug + Send + Sync + 'static,
{
    type Input = I;
    type Output = O;

    async fn forward(&self, input: I) -> Result<Prediction<O>> {
        self.0.forward(input).await
    }

    fn source(&self) -> Option<&'static str> {
        self.0.source()
    }
}

impl<I: 'static, O: 'static> Traverse for BoxModule<I, O> {
    fn walk<'a>(&'a self, walker: &mut Walker<'a, '_>) {
        self.0.walk(walker);
    }

    fn walk_mut<'a>(&'a mut self, walker: &mut WalkerMut<'a, '_>) {
        self.0.walk_mut(walker);
    }
}

impl<I: 'static, O: 'static> Clone for BoxModule<I, O> {
    fn clone(&self) -> Self {
        Self(self.0.clone_box())
    }
}

impl<I, O> Debug for BoxModule<I, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BoxModule")
    }
}
