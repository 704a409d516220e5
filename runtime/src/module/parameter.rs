//! Parameters, which are learned, saved and loaded: predictors, and values of any type.

use std::{fmt, ops::Deref, sync::Arc};

use karat_lm::{Error, ErrorKind, Result, internal::shortened};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{Traverse, Walker, WalkerMut};
use crate::{field::written, predict::Predictor, state::StateOptions};

/// A part of a module that can be learned: a [`Predictor`], a [`Param`], or a type of your own, shown to the traversal with
/// [`Walker::parameter`].
pub trait Parameter: fmt::Debug + Send + Sync {
    /// Returns the value to save.
    ///
    /// # Errors
    /// [`is_state`](Error::is_state): its value has no JSON form from which it could be read again.
    fn dump_state(&self) -> Result<Value>;

    /// Takes over what was saved. After an error it may be left half changed: [`Module::load_state`](crate::Module::load_state)
    /// works on a copy.
    ///
    /// # Errors
    /// [`is_state`](Error::is_state), with the field where there is one: what was saved does not fit.
    fn load_state(&mut self, state: &Value, options: &StateOptions) -> Result<()>;

    /// Forgets what was learned.
    fn reset(&mut self);

    /// The predictor, if it is one.
    fn as_predictor(&self) -> Option<&Predictor> {
        None
    }

    /// The predictor, if it is one, mutably.
    fn as_predictor_mut(&mut self) -> Option<&mut Predictor> {
        None
    }
}

/// A tunable value of a module that is no predictor, such as a number of passages or a list of rules: found by the traversal,
/// saved, loaded and reset with the rest; read by `Deref`.
///
/// Its type is any that serde reads and writes as JSON; a NaN in an `Option` is saved as JSON's null, and so as `None`. A copy shares the value until one of the two sets it anew.
///
/// ```
/// use karat::{Module, Param, Predict, module, signature};
/// # use karat::{Prediction, Result};
///
/// #[signature]
/// struct Qa {
///     #[input]
///     question: String,
///     #[output]
///     answer: String,
/// }
///
/// #[module]
/// struct Tuned {
///     rules: Param<Vec<String>>,
///     answer: Predict<Qa>,
/// }
/// # #[module]
/// # impl Tuned {
/// #     async fn forward(&self, input: QaInput) -> Result<Prediction<QaOutput>> {
/// #         self.answer.call(input).await
/// #     }
/// # }
///
/// let mut tuned = Tuned { rules: Param::new(vec!["be brief".into()]), answer: Predict::new() };
/// tuned.rules.set(vec!["be brief".into(), "be kind".into()]);
/// assert_eq!(tuned.rules.len(), 2);
/// assert_eq!(tuned.dump_state().get("rules").unwrap()[1], "be kind");
/// assert_eq!(tuned.reset_copy().rules.len(), 1);
/// ```
#[derive(Clone)]
pub struct Param<T> {
    value: Arc<T>,
    initial: Arc<T>,
}

impl<T> Param<T> {
    /// A value to be learned; a reset goes back to it.
    pub fn new(value: T) -> Self {
        let value = Arc::new(value);
        Self { initial: value.clone(), value }
    }

    /// Sets the value, of this copy alone.
    pub fn set(&mut self, value: T) {
        self.value = Arc::new(value);
    }

    /// The value that it was made with.
    pub fn initial(&self) -> &T {
        &self.initial
    }
}

impl<T> Parameter for Param<T>
where
    T: Serialize + DeserializeOwned + Send + Sync + 'static,
{
    fn dump_state(&self) -> Result<Value> {
        let value = written(&*self.value).map_err(|error| {
            state_error(format!("the value has no JSON form: {error}")).with_source(error)
        })?;
        // JSON has no NaN, and serde leaves out what is marked `skip`: rather no file than one that cannot be read.
        match serde_json::from_value::<T>(value.clone()) {
            Ok(_) => Ok(value),
            Err(error) => {
                let found = shortened(&value.to_string(), 200);
                let cause = shortened(&error.to_string(), 300);
                Err(state_error(format!(
                    "the value could not be read again from its JSON form {found}: {cause}"
                ))
                .with_source(error))
            }
        }
    }

    fn load_state(&mut self, state: &Value, _: &StateOptions) -> Result<()> {
        let value = T::deserialize(state).map_err(|error| {
            let found = shortened(&state.to_string(), 200);
            let expected = std::any::type_name::<T>();
            // It may hold the whole value once more.
            let cause = shortened(&error.to_string(), 300);
            state_error(format!("expected a value of the type `{expected}`, found {found}: {cause}"))
                .with_source(error)
        })?;
        self.set(value);
        Ok(())
    }

    fn reset(&mut self) {
        self.value = self.initial.clone();
    }
}

fn state_error(message: String) -> Error {
    Error::new(ErrorKind::State, message)
}

impl<T> Traverse for Param<T>
where
    T: Serialize + DeserializeOwned + Send + Sync + 'static,
{
    fn walk<'a>(&'a self, walker: &mut Walker<'a, '_>) {
        walker.parameter(self);
    }

    fn walk_mut<'a>(&'a mut self, walker: &mut WalkerMut<'a, '_>) {
        walker.parameter(self);
    }
}

impl<T> Deref for Param<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: Default> Default for Param<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> From<T> for Param<T> {
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

impl<T> fmt::Debug for Param<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Param<{}>", std::any::type_name::<T>())
    }
}
