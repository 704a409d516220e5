//! Servers that know the key, and repeat it in every way that they can.

use serde_json::json;
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate, matchers};

use crate::needles::percent_encoded;

/// The first part of an address's path says how the server answers.
pub const CASES: [&str; 16] = [
    "good",
    "unauthorized",
    "down",
    "busy",
    "escaped",
    "quoted",
    "detail",
    "page",
    "cut",
    "inside",
    "choice",
    "redirect",
    "typed",
    "compressed",
    "codes",
    "long",
];

pub struct Servers {
    main: MockServer,
    /// The target of redirects.
    elsewhere: MockServer,
    key: String,
}

impl Servers {
    pub async fn start(key: &str) -> Self {
        let (main, elsewhere) = (MockServer::start().await, MockServer::start().await);
        let answers = Answers { key: key.to_owned(), elsewhere: elsewhere.address().to_string() };
        Mock::given(matchers::any()).respond_with(answers).mount(&main).await;
        Mock::given(matchers::any()).respond_with(ResponseTemplate::new(200)).mount(&elsewhere).await;
        Self { main, elsewhere, key: key.to_owned() }
    }

    pub fn address(&self, case: &str) -> String {
        format!("{}/{case}/v1", self.main.uri())
    }

    /// Checks that each request had the key in its header, except the one with another key, and that no other server was called.
    pub async fn assert_key_went_only_where_it_should(&self) {
        let requests = self.main.received_requests().await.unwrap();
        let expected = match crate::way() {
            (_, "authorization") => format!("Bearer {}", self.key),
            _ => self.key.clone(),
        };
        let has_key = |request: &&Request| {
            !String::from_utf8_lossy(&request.body).contains("headers")
                && request.headers[crate::way().1] == expected.as_str()
        };
        assert!(
            requests.len() > 100 && requests.iter().all(|request| has_key(&request)),
            "{}",
            requests.len()
        );
        assert!(self.elsewhere.received_requests().await.unwrap().is_empty());
    }
}

struct Answers {
    key: String,
    elsewhere: String,
}

impl Respond for Answers {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let key = &self.key;
        let case = request.url.path().split('/').nth(1).unwrap_or_default();
        let error = |status: u16, error: serde_json::Value| {
            ResponseTemplate::new(status).set_body_json(json!({ "error": error }))
        };
        let raw =
            |status: u16, body: String, kind: &str| ResponseTemplate::new(status).set_body_raw(body, kind);
        let answer = match case {
            "good" => good(request),
            "unauthorized" => {
                error(401, json!({"message": format!("bad key: {key}"), "code": "invalid_api_key"}))
            }
            "down" => raw(500, format!("<h1>{key}</h1> Authorization: Bearer {key}"), "text/html"),
            "busy" => error(429, json!({"message": format!("{key}: slow down"), "type": key})),
            "escaped" => raw(403, format!("{{\"key\": \"{}\"}}", key.replace('/', "\\/")), "text/plain"),
            "quoted" => {
                let lower = percent_encoded(key).replace("%2F", "%2f").replace("%2B", "%2b");
                raw(502, format!("?key={} {}", percent_encoded(key), lower), "text/plain")
            }
            "detail" => {
                let escaped: String =
                    key.chars().map(|letter| format!("\\u{:04x}", u32::from(letter))).collect();
                raw(
                    422,
                    format!("{{\"detail\": [{{\"input\": \"{escaped}\", \"{key}\": 1}}]}}"),
                    "application/json",
                )
            }
            "page" => raw(200, format!("<html>{key}"), "text/html"),
            "cut" => raw(200, format!("{{\"choices\": \"{key}\", \"{key}\": ["), "application/json"),
            "inside" => error(200, json!({"message": format!("no provider for {key}"), "code": 503})),
            "choice" => {
                let error = json!({"message": key, "code": key});
                ResponseTemplate::new(200).set_body_json(json!({"choices": [{"error": error}]}))
            }
            "redirect" => {
                let location =
                    format!("http://me:{0}@{1}/{0}?key={0}#{0}", percent_encoded(key), self.elsewhere);
                ResponseTemplate::new(307).insert_header("location", location.as_str())
            }
            "typed" => raw(200, "{}".into(), &format!("text/{}; key={key}", percent_encoded(key))),
            "compressed" => {
                raw(200, key.clone(), "application/json").insert_header("content-encoding", key.as_str())
            }
            "codes" => error(400, json!({"code": [key], "type": key, "message": {"key": key}, "param": key})),
            // So long that a cut would fall into the key.
            "long" => raw(500, format!("{}{key}", "a".repeat(190)), "text/plain"),
            other => panic!("no such case: {other}"),
        };
        answer
            .insert_header("x-echo", format!("Bearer {key}").as_str())
            .insert_header("set-cookie", format!("key={key}").as_str())
            .insert_header("x-ratelimit-limit-requests", key.as_str())
    }
}

/// An answer for every signature, and for the critic.
fn good(request: &Request) -> ResponseTemplate {
    let body = String::from_utf8_lossy(&request.body);
    let text = if body.contains("response_format") {
        json!({"discussion": "d", "advice": {}, "answer": "Paris", "reasoning": "r"}).to_string()
    } else {
        "[[ ## reasoning ## ]]\nit is\n\n[[ ## answer ## ]]\nParis\n\n[[ ## completed ## ]]".to_owned()
    };
    if body.contains("\"stream\":true") {
        let piece = json!({"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": "stop"}]});
        return ResponseTemplate::new(200)
            .set_body_raw(format!("data: {piece}\n\ndata: [DONE]\n\n"), "text/event-stream");
    }
    let choice =
        json!({"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"});
    ResponseTemplate::new(200).set_body_json(json!({"choices": [choice]}))
}
