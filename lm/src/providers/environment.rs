//! The variables of the environment that a provider reads.

/// Its address, where that is not the provider's usual one.
pub(crate) const BASE_URL: &str = "KARAT_BASE_URL";

/// Looks variables up: a blank one counts as not set.
pub(crate) fn set(env: impl Fn(&str) -> Option<String>) -> impl Fn(&str) -> Option<String> {
    move |var| env(var).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
}
