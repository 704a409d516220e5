//! Classifies a server's errors: by the status and by the typed codes in the body, never by the words of the message.

use http::header::LOCATION;
use reqwest::Url;
use serde_json::Value;

use super::{Call, answer::Tokens};
use crate::{
    http::{address, retry_after, transport::HttpReply},
    report::{Error, ErrorKind},
};

/// The error of a reply whose status is not a success.
pub(super) fn refused(call: &Call<'_>, reply: &HttpReply) -> Error {
    if (300..400).contains(&reply.status) {
        return redirected(call, reply);
    }
    let body = serde_json::from_slice::<Value>(&reply.body).unwrap_or_default();
    let mut said = ErrorBody::read(&body);
    if said.message.is_empty() {
        said.message = match reply.body.trim_ascii() {
            [] => "with an empty body".to_owned(),
            body => String::from_utf8_lossy(body).into_owned(),
        };
    }
    let should_retry = retry_after::should_retry(&reply.headers);
    let error = Tokens::of(&body["usage"]).paid(said.error(call, reply.status, should_retry));
    let error = retry_after::wait(&reply.headers).into_iter().fold(error, Error::with_retry_after);
    should_retry.into_iter().fold(error, Error::with_should_retry)
}

/// The error inside a reply with a successful status: OpenRouter answers so when a model fails after the request was accepted. The
/// error's own code then counts as the status.
pub(super) fn inside(call: &Call<'_>, status: u16, error: &Value) -> Error {
    let mut said = ErrorBody::read(error);
    if said.message.is_empty() {
        said.message = error.to_string();
    }
    said.error(call, said.status().unwrap_or(status), None)
}

/// True if a body without an answer is an error, in any form.
pub(super) fn is_error(body: &Value) -> bool {
    let said = ErrorBody::read(body);
    // Some servers have codes and messages for successes too.
    let is_success = said.number.is_some_and(|number| number < 400);
    let says_so = |code: &String| meaning(code).is_some() || code.to_ascii_lowercase().contains("error");
    said.status().is_some() || said.codes.iter().any(says_so) || (!is_success && !said.message.is_empty())
}

/// The contents of an error body. Its forms: `{"error": {message, code, type}}` (OpenAI and most), `{"error": "text"}` (Ollama),
/// `{message, code, type}` (older vLLM), `{"detail": ..}` (FastAPI), `[{"error": {code, message, status}}]` (Gemini),
/// `{"errors": [{code, message}]}` (Cloudflare).
#[derive(Debug, Default, PartialEq)]
struct ErrorBody {
    message: String,
    /// The texts under `code`, `type` and `status`, and OpenRouter's `metadata.error_type`.
    codes: Vec<String>,
    /// A number in one of these places, or a text of one: a status.
    number: Option<u16>,
    /// OpenRouter's mark of an input that its moderation blocked.
    flagged: bool,
}

impl ErrorBody {
    fn read(body: &Value) -> Self {
        let body = body.get(0).unwrap_or(body);
        let places = [&body["error"], &body["errors"][0]];
        let error = places.into_iter().find(|error| error.is_object()).unwrap_or(body);
        let texts =
            [&error["message"], &body["error"], &body["message"], &body["detail"], &error["msg"], error];
        let message = texts.iter().find_map(|text| text.as_str()).map(str::to_owned);
        let detail = || Some(&body["detail"]).filter(|detail| !detail.is_null()).map(Value::to_string);
        let metadata = &error["metadata"];
        let codes = [&error["code"], &error["type"], &error["status"], &metadata["error_type"]];
        // A bare code in place of the error.
        let bare = [&body["error"], error].into_iter().filter(|bare| {
            let is_code = |text: &str| meaning(text).is_some() || text.trim().parse::<u16>().is_ok();
            bare.is_number() || bare.as_str().is_some_and(is_code)
        });
        let codes = || codes.into_iter().chain(bare.clone());
        let number = |code: &Value| match code {
            Value::String(text) => text.trim().parse().ok(),
            code => code.as_u64().and_then(|number| u16::try_from(number).ok()),
        };
        Self {
            message: message.or_else(detail).unwrap_or_default(),
            codes: codes()
                .filter_map(Value::as_str)
                .filter(|code| code.trim().parse::<u16>().is_err())
                .map(str::to_owned)
                .collect(),
            number: codes().chain([&error["status_code"]]).find_map(number),
            flagged: !metadata["flagged_input"].is_null(),
        }
    }

    /// The status that its codes stand for.
    fn status(&self) -> Option<u16> {
        let number = self.number.filter(|number| (400..600).contains(number));
        let named = || {
            self.codes.iter().find_map(|code| match meaning(code)? {
                Meaning::Status(status) => Some(status),
                Meaning::Kind(_) => None,
            })
        };
        number.or_else(named)
    }

    fn error(&self, call: &Call<'_>, status: u16, should_retry: Option<bool>) -> Error {
        let named = |code: &String| match meaning(code)? {
            Meaning::Kind(kind) => Some(kind),
            Meaning::Status(_) => None,
        };
        let kind = if self.flagged && status == 403 {
            ErrorKind::Filtered
        } else {
            self.codes.iter().find_map(named).unwrap_or_else(|| kind_of_status(status))
        };
        let codes = match self.codes.is_empty() {
            true => String::new(),
            false => format!(" ({})", call.excerpt(self.codes.join(", ").as_bytes())),
        };
        let message = call.excerpt(self.message.as_bytes());
        let advice = advice(call, kind, should_retry);
        call.error(kind, format_args!("answered {status}{codes}: {message}. {advice}")).with_status(status)
    }
}

/// The meaning of a code.
enum Meaning {
    /// A kind, which says more than the status of the reply.
    Kind(ErrorKind),
    /// A status, which counts if the reply's own is that of a success.
    Status(u16),
}

/// Looks a code up among those of all servers. Case, punctuation and an `Error` or `Exception` at the end do not matter:
/// `rate_limit_error` is `litellm.RateLimitError`.
fn meaning(code: &str) -> Option<Meaning> {
    use Meaning::{Kind, Status};
    let last = code.rsplit('.').next().unwrap_or(code);
    let name: String =
        last.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    let name = ["error", "exception"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(&name);
    Some(match name {
        // The latter is llama.cpp's.
        "contextlengthexceeded" | "exceedcontextsize" => Kind(ErrorKind::ContextLength),
        // OpenAI's permanent codes, older and newer ones; then those of others.
        "insufficientquota"
        | "billinghardlimitreached"
        | "billingnotactive"
        | "creditbalanceexhausted"
        | "organizationspendlimitexceeded"
        | "projectspendlimitexceeded"
        | "organizationusagelimitexceeded"
        | "insufficientcredits"
        | "insufficientbalance"
        | "quotaexceeded"
        | "billing" => Kind(ErrorKind::Quota),
        "modelnotfound" | "modeldecommissioned" => Kind(ErrorKind::UnknownModel),
        "invalidapikey" | "authentication" | "accountdeactivated" => Kind(ErrorKind::Auth),
        "contentfilter" | "contentpolicyviolation" => Kind(ErrorKind::Filtered),
        // Groq's code for an answer that does not fit the schema: the request itself is valid.
        "jsonvalidatefailed" => Kind(ErrorKind::Parse),
        "auth" | "unauthorized" | "unauthenticated" | "invalidauthentication" => Status(401),
        "permission" | "permissiondenied" | "forbidden" | "accessdenied" => Status(403),
        "paymentrequired" => Status(402),
        "notfound" => Status(404),
        "requesttoolarge" => Status(413),
        "invalidrequest" | "badrequest" | "invalidargument" | "validation" | "unprocessableentity" => {
            Status(400)
        }
        "ratelimit" | "ratelimitexceeded" | "ratelimited" | "ratelimitreached" | "toomanyrequests"
        | "resourceexhausted" | "throttling" | "slowdown" => Status(429),
        "server" | "internalserver" | "internal" | "api" | "upstream" => Status(500),
        "badgateway" => Status(502),
        "serviceunavailable" | "unavailable" | "overloaded" | "serverisoverloaded" | "engineoverloaded" => {
            Status(503)
        }
        "timeout" | "requesttimeout" | "gatewaytimeout" | "deadlineexceeded" => Status(504),
        _ => return None,
    })
}

/// The kind of a status, if the body has no code that says more.
///
/// 408 and 504 are a server that gave up, not a deadline of the caller's: they count as [`ErrorKind::Server`], as do 409, 425
/// and 498 (Groq: no capacity for now), for all of them pass.
fn kind_of_status(status: u16) -> ErrorKind {
    match status {
        200..=299 => ErrorKind::BadResponse,
        401 | 403 | 407 => ErrorKind::Auth,
        402 => ErrorKind::Quota,
        404 => ErrorKind::UnknownModel,
        429 => ErrorKind::RateLimited,
        408 | 409 | 425 | 498 | 500.. => ErrorKind::Server,
        _ => ErrorKind::BadRequest,
    }
}

/// The advice in an error's message. Another attempt is advised only if it may help.
fn advice(call: &Call<'_>, kind: ErrorKind, should_retry: Option<bool>) -> String {
    let provider = call.client.provider;
    let error = Error::new(kind, String::new());
    let passes = should_retry.into_iter().fold(error, Error::with_should_retry).is_transient();
    match kind {
        ErrorKind::Auth => format!(
            "Check the API key, and what it may do: it is `.api_key(..)`, else the environment variable `{}`",
            provider.key_var
        ),
        ErrorKind::Quota => "Add credit or raise the limit at the provider, or use another key".into(),
        ErrorKind::RateLimited if passes => "Wait, or send fewer requests at once".into(),
        ErrorKind::UnknownModel => {
            let (model, setting) = (call.client.model(), call.client.address_setting());
            format!("Check the model `{model}`, and the address: it is {setting}, and ends with `/v1` in most cases")
        }
        ErrorKind::ContextLength => {
            "The prompt is too long for the model: shorten the inputs, use fewer demos, or take a model with a larger context".into()
        }
        ErrorKind::BadRequest => "The same request will fail again: change what is named above".into(),
        ErrorKind::Filtered => "The provider's content filter held it back: change the input".into(),
        ErrorKind::Parse => "The model's answer did not fit the schema: make it simpler, or ask another model".into(),
        _ if passes => "This may pass: try again later".into(),
        _ if should_retry == Some(false) => "The server says that the same request will fail again".into(),
        _ => "Nothing says that this passes: see what the server says, and its logs".into(),
    }
}

/// The error of a redirect. karat follows none: a request, and above all its key, is for the address that the user set.
fn redirected(call: &Call<'_>, reply: &HttpReply) -> Error {
    let location =
        reply.headers.get(LOCATION).and_then(|location| location.to_str().ok()).unwrap_or_default();
    let to = match call.endpoint.url.join(location) {
        Ok(url) if !location.is_empty() => format!("a redirect to {}", place(&url)),
        _ => "a redirect".to_owned(),
    };
    let to = call.excerpt(to.as_bytes());
    let message = format!(
        "answered {} with {to}. Redirects are not followed, so that the key goes nowhere else: if that is the right address, \
         set it with `.base_url(..)`",
        reply.status
    );
    call.error(ErrorKind::Config, message).with_status(reply.status)
}

/// An address without credentials and query, which may be secret.
fn place(url: &Url) -> String {
    format!("{}://{}{}", url.scheme(), address::host(url), url.path())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::providers::chat_completions::with_call;

    fn reply(status: u16, headers: &[(&'static str, &str)], body: &str) -> HttpReply {
        let headers =
            headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        HttpReply { status, headers, body: body.into() }
    }

    fn error(status: u16, body: &Value) -> Error {
        with_call(|call| refused(call, &reply(status, &[], &body.to_string())))
    }

    #[test]
    fn each_status_has_its_kind() {
        use ErrorKind::*;
        for (kind, statuses) in [
            (BadRequest, &[400, 405, 410, 413, 415, 422][..]),
            (Auth, &[401, 403, 407]),
            (Quota, &[402]),
            (UnknownModel, &[404]),
            (RateLimited, &[429]),
            (Server, &[408, 409, 425, 498, 500, 502, 503, 504, 524, 529, 599]),
            (Config, &[301, 302, 304, 307, 308]),
        ] {
            for status in statuses {
                let error = error(*status, &json!({}));
                assert_eq!((error.kind(), error.status()), (kind, Some(*status)), "{error}");
            }
        }
    }

    #[test]
    fn a_typed_code_says_more_than_the_status() {
        use ErrorKind::*;
        for (kind, status, body) in [
            (
                ContextLength,
                400,
                json!({"error": {"code": "context_length_exceeded", "type": "invalid_request_error"}}),
            ),
            (
                ContextLength,
                400,
                json!({"error": {"code": 400, "type": "exceed_context_size_error", "n_ctx": 512}}),
            ),
            (ContextLength, 500, json!({"error": {"code": 500, "type": "exceed_context_size_error"}})),
            (Quota, 429, json!({"error": {"code": "insufficient_quota", "type": "insufficient_quota"}})),
            (Quota, 400, json!({"error": {"code": "billing_hard_limit_reached"}})),
            (UnknownModel, 400, json!({"error": {"code": "model_decommissioned"}})),
            (Auth, 400, json!({"error": {"code": "invalid_api_key"}})),
            (Filtered, 400, json!({"error": {"code": "content_filter"}})),
            (
                Filtered,
                403,
                json!({"error": {"code": 403, "metadata": {"reasons": ["x"], "flagged_input": "y"}}}),
            ),
            (BadRequest, 400, json!({"error": {"message": "context_length_exceeded", "code": null}})),
            (RateLimited, 429, json!({"error": {"message": "insufficient_quota"}})),
        ] {
            assert_eq!(error(status, &body).kind(), kind, "{body}");
        }
    }

    #[test]
    fn the_servers_message_is_found_in_each_form_of_body() {
        for body in [
            json!({"error": {"message": "no way"}}),
            json!({"error": "no way"}),
            json!({"object": "error", "message": "no way", "code": 400}),
            json!({"detail": "no way"}),
            json!({"detail": [{"msg": "no way"}]}),
            json!("no way"),
            json!([{"error": {"message": "no way"}}]),
        ] {
            assert!(error(400, &body).to_string().contains("no way"), "{body}");
        }
        let html = with_call(|call| refused(call, &reply(502, &[], "<html>\n<b>no way</b>")));
        assert!(html.is_server() && html.to_string().contains("<html> <b>no way</b>"), "{html}");
    }

    #[test]
    fn a_message_names_the_model_the_host_the_status_and_the_way_out() {
        let body =
            json!({"error": {"message": "Incorrect API key provided: sk-canary", "code": "invalid_api_key"}});
        assert_eq!(
            error(401, &body).to_string(),
            "`openai/x` at 127.0.0.1:1: answered 401 (invalid_api_key): Incorrect API key provided: [key]. Check the API key, \
             and what it may do: it is `.api_key(..)`, else the environment variable `OPENAI_API_KEY`"
        );
    }

    #[test]
    fn what_the_headers_say_of_another_attempt_is_kept() {
        let headers = [("retry-after", "2"), ("x-should-retry", "false")];
        let error = with_call(|call| refused(call, &reply(429, &headers, "")));
        assert_eq!((error.retry_after(), error.is_transient()), (Some(Duration::from_secs(2)), false));
        let plain = with_call(|call| refused(call, &reply(503, &[], "")));
        assert_eq!((plain.retry_after(), plain.is_transient()), (None, true));
    }

    #[test]
    fn a_redirect_shows_where_to_but_no_credentials() {
        let location = "https://me:hunter2@elsewhere:81/v1/chat/completions?key=hunter2";
        let error = with_call(|call| refused(call, &reply(307, &[("location", location)], "")));
        assert!(
            error.is_config() && error.to_string().contains("https://elsewhere:81/v1/chat/completions"),
            "{error}"
        );
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }

    #[test]
    fn an_error_inside_a_success_counts_by_its_own_code() {
        let kind = |error: Value| with_call(|call| inside(call, 200, &error).kind());
        assert_eq!(kind(json!({"code": 502, "message": "down"})), ErrorKind::Server);
        assert_eq!(kind(json!({"code": 402})), ErrorKind::Quota);
        assert_eq!(kind(json!({"code": "context_length_exceeded"})), ErrorKind::ContextLength);
        assert_eq!(kind(json!("down")), ErrorKind::BadResponse);
    }
}
