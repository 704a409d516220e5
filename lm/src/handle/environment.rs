//! The LM that the environment names.

use super::Lm;
use crate::{
    providers::{
        environment::{BASE_URL, set},
        provider::Provider,
    },
    report::{Error, ErrorKind, Result},
};

/// The model, as `provider/model`.
const MODEL: &str = "KARAT_MODEL";

impl Lm {
    /// The LM that the environment names.
    ///
    /// | variable | meaning |
    /// |---|---|
    /// | `KARAT_MODEL` | the model, e.g. `openai/gpt-4o-mini` or `ollama/llama3.2`, as for [`Lm::new`] |
    /// | `KARAT_BASE_URL` | its address, as for [`base_url`](Lm::base_url); without it the provider's |
    ///
    /// Without `KARAT_MODEL` it is the usual model of the first provider whose key is set:
    ///
    /// | variable | model |
    /// |---|---|
    /// | `OPENAI_API_KEY` | `openai/gpt-4o-mini` |
    /// | `OPENROUTER_API_KEY` | `openrouter/openai/gpt-4o-mini` |
    /// | `GROQ_API_KEY` | `groq/openai/gpt-oss-20b` |
    /// | `DEEPSEEK_API_KEY` | `deepseek/deepseek-chat` |
    /// | `TOGETHER_API_KEY` | `together/openai/gpt-oss-20b` |
    ///
    /// A variable that is empty or blank is not set. `docs/environment.md` has all variables that karat reads.
    ///
    /// # Errors
    /// [`is_config`](Error::is_config): no such variable is set (then of the kind [`NoLm`](ErrorKind::NoLm)), there is an address
    /// without a model, or the model's name or the address is invalid.
    ///
    /// ```no_run
    /// # fn main() -> karat::Result<()> {
    /// let lm = karat::Lm::from_env()?.temperature(0.2);
    /// # Ok(())
    /// # }
    /// ```
    pub fn from_env() -> Result<Self> {
        from_vars(|var| std::env::var(var).ok())
    }
}

fn from_vars(env: impl Fn(&str) -> Option<String>) -> Result<Lm> {
    let env = set(env);
    match (env(MODEL), env(BASE_URL)) {
        (Some(model), url) => {
            let lm = Lm::new(&model).map_err(|error| {
                Error::new(error.kind(), format!("the environment variable `{MODEL}`: {error}"))
            })?;
            match url {
                Some(url) => lm.environment_url(url),
                None => Ok(lm),
            }
        }
        // Nothing says which model is at that address.
        (None, Some(_)) => Err(Error::config(format!(
            "the environment variable `{BASE_URL}` is set without `{MODEL}`: set it to the model at that address, e.g. \
             `openai/gpt-4o-mini`"
        ))),
        (None, None) => match Provider::usual().find(|(provider, _)| env(provider.key_var).is_some()) {
            Some((provider, model)) => Lm::new(&format!("{}/{model}", provider.name)),
            None => {
                let keys: Vec<_> =
                    Provider::usual().map(|(provider, _)| format!("`{}`", provider.key_var)).collect();
                let message = format!(
                    "the environment names no model: set `{MODEL}` (e.g. `ollama/llama3.2`, with `{BASE_URL}` for a server of \
                     your own), or a key: {}",
                    keys.join(", ")
                );
                Err(Error::new(ErrorKind::NoLm, message))
            }
        },
    }
}

#[cfg(all(test, feature = "http"))]
mod tests {
    use super::*;

    fn from(vars: &[(&str, &str)]) -> Result<Lm> {
        from_vars(|wanted| vars.iter().find(|(var, _)| *var == wanted).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn the_named_model_wins_over_all_keys() {
        let key = ("OPENAI_API_KEY", "sk-canary");
        let lm = from(&[key, ("KARAT_MODEL", " ollama/llama3.2\n")]).unwrap();
        assert_eq!((lm.name(), lm.own_base_url()), ("ollama/llama3.2", None));
        let lm = from(&[("KARAT_MODEL", "openai/x"), ("KARAT_BASE_URL", "http://gpu:1/v1"), key]).unwrap();
        assert_eq!((lm.name(), lm.own_base_url()), ("openai/x", Some("http://gpu:1/v1")));
        // A blank one counts as not set.
        let lm = from(&[key, ("KARAT_MODEL", " "), ("KARAT_BASE_URL", "")]).unwrap();
        assert_eq!(lm.name(), "openai/gpt-4o-mini");
    }

    #[test]
    fn without_a_model_the_first_provider_whose_key_is_set_is_taken() {
        let all = [
            ("OPENAI_API_KEY", "openai/gpt-4o-mini"),
            ("OPENROUTER_API_KEY", "openrouter/openai/gpt-4o-mini"),
            ("GROQ_API_KEY", "groq/openai/gpt-oss-20b"),
            ("DEEPSEEK_API_KEY", "deepseek/deepseek-chat"),
            ("TOGETHER_API_KEY", "together/openai/gpt-oss-20b"),
        ];
        let keys = all.map(|(var, _)| (var, "sk-canary"));
        for (index, (var, model)) in all.iter().enumerate() {
            assert_eq!(from(&keys[index..]).unwrap().name(), *model);
            let doc = format!("| `{var}` | `{model}` |");
            assert!(include_str!("environment.rs").contains(&doc), "{doc}");
        }
    }

    #[test]
    fn an_error_names_the_variables_to_set() {
        let error = from(&[("VLLM_API_KEY", "sk-canary"), ("OPENAI_BASE_URL", "http://gpu/v1")]).unwrap_err();
        assert!(error.is_config() && error.kind() == ErrorKind::NoLm, "{error}");
        for part in ["`KARAT_MODEL`", "`KARAT_BASE_URL`", "`OPENAI_API_KEY`", "`TOGETHER_API_KEY`"] {
            assert!(error.to_string().contains(part), "{error}");
        }
        let error =
            from(&[("KARAT_BASE_URL", "http://gpu/v1"), ("OPENAI_API_KEY", "sk-canary")]).unwrap_err();
        assert!(error.is_config() && error.to_string().contains("without `KARAT_MODEL`"), "{error}");
        assert!(!error.to_string().contains("canary"));
        for url in ["gpu:8000/v1", "127.0.0.1:1/v1", "ftp://gpu/v1", "http://me:sk-canary@gpu/v1", "http://"]
        {
            let error = from(&[("KARAT_MODEL", "ollama/x"), ("KARAT_BASE_URL", url)]).unwrap_err();
            let text = error.to_string();
            assert!(
                error.is_config() && text.contains("`KARAT_BASE_URL`") && !text.contains("canary"),
                "{text}"
            );
            assert!(!text.contains("in `.base_url(..)`"), "{text}");
        }
        for name in ["gpt-4o", "acme/x", "openai/"] {
            let error = from(&[("KARAT_MODEL", name)]).unwrap_err();
            assert!(error.is_config() && error.to_string().contains("`KARAT_MODEL`"), "{error}");
        }
    }
}
