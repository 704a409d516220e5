//! Addresses, keys and headers from the program, the environment and the provider's table.

use super::*;
use crate::providers::provider::Provider;

fn client(name: &str) -> ChatCompletions {
    let (provider, model) = Provider::parse(name).unwrap();
    ChatCompletions::new(provider, model)
}

fn vars<'a>(vars: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<String> + 'a {
    |wanted| vars.iter().find(|(var, _)| *var == wanted).map(|(_, value)| (*value).to_owned())
}

fn url(name: &str, env: &[(&str, &str)]) -> String {
    client(name).api_key("sk-canary").endpoint(vars(env)).unwrap().url.to_string()
}

fn key(endpoint: &Endpoint) -> &str {
    endpoint.key.as_ref().unwrap().expose_secret()
}

#[test]
fn the_usual_address_is_taken_where_nothing_is_set() {
    assert_eq!(url("openai/x", &[]), "https://api.openai.com/v1/chat/completions");
    assert_eq!(url("openai/x", &[("OPENAI_BASE_URL", " ")]), "https://api.openai.com/v1/chat/completions");
    assert_eq!(url("groq/x", &[]), "https://api.groq.com/openai/v1/chat/completions");
}

#[test]
fn openais_address_variable_is_taken_literally_and_the_first_one_wins() {
    assert_eq!(
        url("openai/x", &[("OPENAI_BASE_URL", "https://api.acme.com")]),
        "https://api.acme.com/chat/completions"
    );
    let both = [("OPENAI_API_BASE", "http://a/v1"), ("OPENAI_BASE_URL", "http://b/v1/")];
    assert_eq!(url("openai/x", &both), "http://b/v1/chat/completions");
}

#[test]
fn a_bare_server_in_the_environment_gets_what_it_lacks_from_the_usual_address() {
    for (name, var, value, expected) in [
        ("groq/x", "GROQ_BASE_URL", "https://api.groq.com", "https://api.groq.com/openai/v1"),
        ("groq/x", "GROQ_BASE_URL", "https://proxy/v7", "https://proxy/v7"),
        ("ollama/x", "OLLAMA_API_BASE", "http://gpu:11434/", "http://gpu:11434/v1"),
        ("ollama/x", "OLLAMA_HOST", "gpu", "http://gpu:11434/v1"),
        ("ollama/x", "OLLAMA_HOST", "0.0.0.0:9999", "http://127.0.0.1:9999/v1"),
        ("ollama/x", "OLLAMA_HOST", ":9999", "http://127.0.0.1:9999/v1"),
        ("ollama/x", "OLLAMA_HOST", "https://gpu", "https://gpu/v1"),
        ("ollama/x", "OLLAMA_HOST", "[::1]", "http://[::1]:11434/v1"),
        ("vllm/x", "HOSTED_VLLM_API_BASE", "http://gpu:8000/v1", "http://gpu:8000/v1"),
    ] {
        assert_eq!(url(name, &[(var, value)]), format!("{expected}/chat/completions"), "{var}={value}");
    }
}

#[test]
fn what_the_program_sets_wins_over_the_environment() {
    let env = [("OPENAI_BASE_URL", "https://env/v1"), ("OPENAI_API_KEY", "sk-env")];
    let set = client("openai/x").base_url("http://set/v1?api-version=1").api_key(" sk-set\n");
    let endpoint = set.endpoint(vars(&env)).unwrap();
    assert_eq!(endpoint.url.as_str(), "http://set/v1/chat/completions?api-version=1");
    assert_eq!(key(&endpoint), "sk-set");
    let marked = client("openai/x").base_url("http://set/v1?key=a#sk-set").api_key("sk-set");
    assert_eq!(marked.shown_address(vars(&env)).unwrap(), "http://set/v1/chat/completions");
    let keyless = client("groq/x").base_url("http://set/v1");
    assert_eq!(keyless.shown_address(|_| None).unwrap(), "http://set/v1/chat/completions");
    let endpoint = client("openai/x").endpoint(vars(&env)).unwrap();
    assert_eq!((endpoint.host.as_str(), key(&endpoint)), ("env", "sk-env"));
}

#[test]
fn the_environments_key_goes_in_clear_to_this_machine_alone() {
    let env = [("OPENAI_API_KEY", "sk-env"), ("LLAMA_API_KEY", "sk-env")];
    let client = |url: &str| client("openai/x").base_url(url);
    for url in [
        "http://127.0.0.1:1/v1",
        "http://127.9.9.9/v1",
        "http://localhost/v1",
        "http://LOCALHOST.:1/v1",
        "http://a.localhost/v1",
        "http://[::1]/v1",
        "http://[::ffff:127.0.0.1]/v1",
        "http://0.0.0.0:1/v1",
        "https://gpu/v1",
        "https://10.0.0.1/v1",
    ] {
        assert_eq!(key(&client(url).endpoint(vars(&env)).unwrap()), "sk-env", "{url}");
    }
    for url in [
        "http://gpu:8000/v1",
        "http://10.0.0.1/v1",
        "http://localhost.evil.com/v1",
        "http://127.0.0.1.evil.com/v1",
        "http://evil.com/localhost",
        "http://evil.com#@localhost",
        "http://mylocalhost/v1",
        "http://[::2]/v1",
    ] {
        let error = client(url).endpoint(vars(&env)).map(|_| ()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{url}: {error}");
        let text = error.to_string();
        for part in ["`OPENAI_API_KEY`", "`.allow_key_over_http(true)`", "`.api_key(..)`", "in clear"] {
            assert!(text.contains(part), "{url}: {text}");
        }
        assert!(!text.contains("sk-env"), "{text}");
        let allowed = client(url).allow_key_over_http(true).endpoint(vars(&env)).unwrap();
        assert_eq!((key(&allowed), allowed.is_key_guarded), ("sk-env", false));
        assert_eq!(key(&client(url).api_key("sk-own").endpoint(vars(&env)).unwrap()), "sk-own");
    }
    // Nor if the address is from the environment too, nor if the provider needs no key.
    let both = [("LLAMACPP_BASE_URL", "http://gpu:1"), ("LLAMA_API_KEY", "sk-env")];
    assert!(self::client("llamacpp/x").endpoint(vars(&both)).map(|_| ()).unwrap_err().is_config());
    assert!(self::client("llamacpp/x").endpoint(vars(&both[..1])).unwrap().key.is_none());
}

#[test]
fn an_address_of_a_state_file_gets_no_key_of_the_environment() {
    let env = [("OPENAI_API_KEY", "sk-env"), ("VLLM_API_KEY", "sk-env")];
    for url in ["https://gpu/v1", "http://127.0.0.1:1/v1", "https://api.openai.com/v1"] {
        let error = client("openai/x").state_url(url).endpoint(vars(&env)).map(|_| ()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::MissingKey, "{error}");
        assert!(error.to_string().contains("state file") && !error.to_string().contains("sk-env"), "{error}");
        assert!(client("vllm/x").state_url(url).endpoint(vars(&env)).unwrap().key.is_none());
        let own = client("openai/x").state_url(url).api_key("sk-own");
        assert_eq!(key(&own.endpoint(vars(&env)).unwrap()), "sk-own");
        let named = client("openai/x").state_url("http://other/v1").base_url(url);
        assert_eq!(key(&named.endpoint(vars(&env)).unwrap()), "sk-env");
    }
}

fn with_header(client: ChatCompletions, name: &str, value: &str) -> ChatCompletions {
    let (name, value) = headers::header(name, value).unwrap();
    client.header(name, value)
}

#[test]
fn a_header_of_the_programs_goes_before_karats_own() {
    let env = [("OPENAI_API_KEY", "sk-env")];
    for name in ["Authorization", "api-key", "X-Api-Key"] {
        let endpoint = with_header(client("openai/x"), name, "own").endpoint(vars(&env)).unwrap();
        assert_eq!(endpoint.headers[name], "own");
        assert_eq!(endpoint.headers.contains_key(AUTHORIZATION), name == "Authorization");
        // The key that the program set is sent too, unless the header is the same.
        let both = with_header(client("openai/x").api_key("sk-own"), name, "own").endpoint(|_| None).unwrap();
        let expected = if name == "Authorization" { "own" } else { "Bearer sk-own" };
        assert_eq!(both.headers[AUTHORIZATION], expected);
    }
    let other = with_header(client("openai/x"), "user-agent", "mine").endpoint(vars(&env)).unwrap();
    assert_eq!(
        (&other.headers[USER_AGENT], &other.headers[AUTHORIZATION]),
        (&"mine".parse().unwrap(), &"Bearer sk-env".parse().unwrap())
    );
    let twice = with_header(with_header(client("openai/x"), "x-a", "1"), "X-A", "2");
    assert_eq!(twice.endpoint(vars(&env)).unwrap().headers.get_all("x-a").iter().collect::<Vec<_>>(), ["2"]);
}

#[test]
fn the_headers_of_a_request_go_before_those_of_its_lm() {
    let config = |headers: serde_json::Value| Config {
        params: [("extra_headers".to_owned(), headers)].into(),
        ..Config::default()
    };
    let lm = with_header(with_header(client("openai/x"), "x-a", "lm"), "x-b", "lm");
    let given = config(serde_json::json!({"X-A": "request", "authorization": "Basic eA=="}));
    let endpoint = lm.endpoint_for(&given, |_| None).unwrap();
    let shown =
        ["x-a", "x-b", "authorization"].map(|name| endpoint.headers[name].to_str().unwrap().to_owned());
    assert_eq!(shown, ["request", "lm", "Basic eA=="]);
    let error = lm.endpoint_for(&config(serde_json::json!("x")), |_| None).map(|_| ()).unwrap_err();
    assert!(error.is_config() && error.to_string().contains("`extra_headers`"), "{error}");
}

#[test]
fn an_address_that_ends_with_the_whole_path_is_taken_as_it_is() {
    let client = client("vllm/x").base_url("http://a:1/v1/chat/completions/");
    assert_eq!(client.endpoint(|_| None).unwrap().url.as_str(), "http://a:1/v1/chat/completions");
}

#[test]
fn a_missing_key_names_the_variable_and_the_setter() {
    for client in [client("openrouter/x"), client("openrouter/x").api_key(" ")] {
        let error = client.endpoint(|_| None).map(|_| ()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::MissingKey);
        let text = error.to_string();
        assert!(text.contains("`OPENROUTER_API_KEY`") && text.contains("`.api_key(..)`"), "{text}");
    }
    assert!(client("llamacpp/x").endpoint(|_| None).unwrap().key.is_none());
}

#[test]
fn an_address_that_cannot_be_used_is_a_config_error_that_shows_no_credentials() {
    for address in [
        "",
        "localhost:80/v1",
        "127.0.0.1:80",
        "ftp://a/v1",
        "http://",
        "https://me:hunter2@a/v1",
        "me:hunter2@a",
    ] {
        let set = client("openai/x")
            .api_key("sk-canary")
            .base_url(address)
            .endpoint(|_| None)
            .map(|_| ())
            .unwrap_err();
        assert!(set.is_config() && set.to_string().contains("`.base_url(..)`"), "{address}: {set}");
        assert!(!format!("{set} {set:?}").contains("hunter2"), "{set:?}");
    }
    let env = [("OLLAMA_HOST", "me:hunter2@gpu")];
    let error = client("ollama/x").endpoint(vars(&env)).map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("`OLLAMA_HOST`") && !error.to_string().contains("hunter2"), "{error}");
}
