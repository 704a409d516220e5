//! The table of known providers.

use super::structured::{self, Structured};
use crate::report::{Error, Result};

/// A provider that speaks the Chat Completions API.
#[derive(Debug)]
pub(crate) struct Provider {
    pub(crate) name: &'static str,
    /// Other names that LiteLLM, and so DSPy's users, have for it; the first one is written to DSPy's files.
    pub(crate) aliases: &'static [&'static str],
    /// The usual address, without `/chat/completions`.
    pub(crate) base_url: &'static str,
    /// Environment variables that may hold another address; the first that is set counts.
    pub(crate) base_url_vars: &'static [&'static str],
    /// Whether those variables may name a bare server, as the provider's own tools write them (`OLLAMA_HOST=gpu:11434`,
    /// `GROQ_BASE_URL=https://api.groq.com`): what is missing is then taken from the usual address. OpenAI's own clients
    /// take theirs literally.
    pub(crate) bare_server: bool,
    /// The environment variable of the API key; a local server's key is optional.
    pub(crate) key_var: &'static str,
    pub(crate) key_required: bool,
    /// The model that [`Lm::from_env`](super::Lm::from_env) takes where the environment has the key and names no model.
    pub(crate) usual_model: Option<&'static str>,
    /// The API's name for the limit of generated tokens.
    pub(crate) max_tokens: &'static str,
    /// How it is asked for an answer that follows a schema.
    pub(crate) structured: &'static Structured,
}

/// The values that most providers share; also those of a local server, whose key is optional.
const USUAL: Provider = Provider {
    name: "",
    aliases: &[],
    base_url: "",
    base_url_vars: &[],
    bare_server: true,
    key_var: "",
    key_required: false,
    usual_model: None,
    max_tokens: "max_tokens",
    structured: &structured::OPENAI_API,
};

/// Each name, address and variable is the one in the provider's own documentation or client; `*_API_BASE` are those that
/// DSPy's users have set for LiteLLM.
static PROVIDERS: [Provider; 9] = [
    Provider {
        name: "openai",
        aliases: &[],
        base_url: "https://api.openai.com/v1",
        base_url_vars: &["OPENAI_BASE_URL", "OPENAI_API_BASE"],
        bare_server: false,
        key_var: "OPENAI_API_KEY",
        key_required: true,
        usual_model: Some("gpt-4o-mini"),
        // OpenAI's reasoning models refuse the older `max_tokens`, and all its models take this one.
        max_tokens: "max_completion_tokens",
        structured: &structured::OPENAI_API,
    },
    Provider {
        name: "ollama",
        aliases: &["ollama_chat"],
        base_url: "http://127.0.0.1:11434/v1",
        base_url_vars: &["OLLAMA_BASE_URL", "OLLAMA_API_BASE", "OLLAMA_HOST"],
        key_var: "OLLAMA_API_KEY",
        structured: &structured::OLLAMA,
        ..USUAL
    },
    Provider {
        name: "vllm",
        aliases: &["hosted_vllm"],
        base_url: "http://127.0.0.1:8000/v1",
        base_url_vars: &["VLLM_BASE_URL", "VLLM_API_BASE", "HOSTED_VLLM_API_BASE"],
        key_var: "VLLM_API_KEY",
        structured: &structured::VLLM,
        ..USUAL
    },
    Provider {
        name: "sglang",
        base_url: "http://127.0.0.1:30000/v1",
        base_url_vars: &["SGLANG_BASE_URL", "SGLANG_API_BASE"],
        key_var: "SGLANG_API_KEY",
        structured: &structured::SGLANG,
        ..USUAL
    },
    Provider {
        name: "llamacpp",
        base_url: "http://127.0.0.1:8080/v1",
        base_url_vars: &["LLAMACPP_BASE_URL", "LLAMACPP_API_BASE"],
        // The variable that llama-server itself reads its key from.
        key_var: "LLAMA_API_KEY",
        structured: &structured::LLAMACPP,
        ..USUAL
    },
    Provider {
        name: "openrouter",
        base_url: "https://openrouter.ai/api/v1",
        base_url_vars: &["OPENROUTER_BASE_URL", "OPENROUTER_API_BASE"],
        key_var: "OPENROUTER_API_KEY",
        key_required: true,
        usual_model: Some("openai/gpt-4o-mini"),
        structured: &structured::OPENROUTER,
        ..USUAL
    },
    Provider {
        name: "groq",
        base_url: "https://api.groq.com/openai/v1",
        base_url_vars: &["GROQ_BASE_URL", "GROQ_API_BASE"],
        key_var: "GROQ_API_KEY",
        key_required: true,
        usual_model: Some("openai/gpt-oss-20b"),
        structured: &structured::GROQ,
        ..USUAL
    },
    Provider {
        name: "deepseek",
        base_url: "https://api.deepseek.com/v1",
        base_url_vars: &["DEEPSEEK_BASE_URL", "DEEPSEEK_API_BASE"],
        key_var: "DEEPSEEK_API_KEY",
        key_required: true,
        usual_model: Some("deepseek-chat"),
        structured: &structured::DEEPSEEK,
        ..USUAL
    },
    Provider {
        name: "together",
        aliases: &["together_ai"],
        base_url: "https://api.together.ai/v1",
        base_url_vars: &["TOGETHER_BASE_URL", "TOGETHER_API_BASE"],
        key_var: "TOGETHER_API_KEY",
        key_required: true,
        usual_model: Some("openai/gpt-oss-20b"),
        structured: &structured::TOGETHER,
        ..USUAL
    },
];

impl Provider {
    /// Providers for which a key in the environment is enough, each with its model, in the order in which they are tried.
    pub(crate) fn usual() -> impl Iterator<Item = (&'static Provider, &'static str)> {
        PROVIDERS.iter().filter_map(|provider| Some((provider, provider.usual_model?)))
    }

    /// Splits `provider/model` at the first slash: models may have slashes of their own.
    pub(crate) fn parse(name: &str) -> Result<(&'static Provider, &str)> {
        let known = || PROVIDERS.iter().map(|provider| provider.name).collect::<Vec<_>>().join(", ");
        let (provider, model) = match name.split_once('/') {
            Some((provider, model)) if !model.trim().is_empty() => (provider, model),
            _ => {
                let message = format!(
                    "expected `provider/model`, e.g. `openai/gpt-4o-mini`, found `{name}`; known providers: {}",
                    known()
                );
                return Err(Error::config(message));
            }
        };
        let is_meant = |known: &&Provider| known.name == provider || known.aliases.contains(&provider);
        match PROVIDERS.iter().find(is_meant) {
            Some(found) => Ok((found, model)),
            None => Err(Error::config(format!(
                "unknown provider `{provider}` in `{name}`; known providers: {}. For another one that speaks the Chat \
                 Completions API, use `openai/{model}` with `.base_url(..)`; for your own client, `Lm::custom(..)`",
                known()
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_name_may_hold_slashes() {
        let (provider, model) = Provider::parse("openrouter/meta-llama/llama-3").unwrap();
        assert_eq!((provider.name, model), ("openrouter", "meta-llama/llama-3"));
    }

    #[test]
    fn an_unknown_provider_is_an_error_that_lists_the_known_ones() {
        for name in ["gpt-4o-mini", "acme/x", "openai/", "/x", ""] {
            let error = Provider::parse(name).unwrap_err();
            assert!(error.is_config(), "{name}");
            for provider in &PROVIDERS {
                assert!(error.to_string().contains(provider.name), "{name}: {error}");
            }
        }
    }

    #[test]
    fn the_page_on_structured_output_has_a_row_for_every_provider() {
        let Some(page) = crate::repository::file("docs/structured-output.md") else { return };
        for provider in &PROVIDERS {
            let row = format!("\n| `{}` | {} |", provider.name, provider.structured.in_words());
            assert!(page.contains(&row), "{row}");
        }
    }

    #[test]
    fn the_page_on_the_environment_has_a_row_for_every_provider() {
        let Some(page) = crate::repository::file("docs/environment.md") else { return };
        let mut at = 0;
        for provider in &PROVIDERS {
            let addresses =
                provider.base_url_vars.iter().map(|var| format!("`{var}`")).collect::<Vec<_>>().join(", ");
            let usual = provider.usual_model.map_or(String::new(), |model| format!(" `{model}` "));
            let Provider { name, key_var, base_url, .. } = provider;
            let row = format!("\n| `{name}` | `{key_var}` | {addresses} | `{base_url}` |{usual}");
            // In the order in which they are looked for.
            let found = page[at..].find(&row).unwrap_or_else(|| panic!("{row}"));
            at += found;
        }
    }

    #[test]
    fn every_provider_has_an_address_a_key_variable_and_address_variables() {
        for provider in &PROVIDERS {
            let url = reqwest::Url::parse(provider.base_url).unwrap();
            assert_eq!(url.scheme() == "https", provider.key_required, "{}", provider.name);
            assert!(!provider.key_var.is_empty() && !provider.base_url_vars.is_empty(), "{}", provider.name);
        }
    }
}
