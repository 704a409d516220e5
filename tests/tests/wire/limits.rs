//! The limits that servers report in their headers.

use std::time::Duration;

use karat::Limits;
use wiremock::ResponseTemplate;

use super::{error, good_body, hi, lm, server};

fn with_headers(template: ResponseTemplate) -> ResponseTemplate {
    template
        .insert_header("x-ratelimit-limit-requests", "60")
        .insert_header("x-ratelimit-remaining-requests", "59")
        .insert_header("x-ratelimit-reset-requests", "1s")
        .insert_header("x-ratelimit-limit-tokens", "150000")
        .insert_header("x-ratelimit-remaining-tokens", "149984")
        .insert_header("x-ratelimit-reset-tokens", "6m0s")
}

#[tokio::test]
async fn the_limits_in_the_headers_are_in_the_answer_and_kept() {
    let server = server(with_headers(ResponseTemplate::new(200).set_body_json(good_body()))).await;
    let limits = Limits::new();
    let response = lm(&server.uri()).limits(limits.clone()).complete(hi()).await.unwrap();
    let report = response.rate_limit.unwrap();
    assert_eq!((report.requests.limit, report.requests.remaining), (Some(60), Some(59)));
    assert_eq!(
        (report.tokens.remaining, report.tokens.reset),
        (Some(149_984), Some(Duration::from_secs(360)))
    );
    assert_eq!(limits.last_report(), Some(report));
}

#[tokio::test]
async fn the_limits_in_the_headers_of_an_error_are_in_the_error() {
    // A status that is not retried.
    let error = error(with_headers(ResponseTemplate::new(400))).await;
    assert_eq!(error.rate_limit().unwrap().tokens.limit, Some(150_000));
}
