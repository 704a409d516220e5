//! Telemetry: exports a `BestOfN` over two steps as a trace of OpenTelemetry's GenAI conventions to a collector.
//!
//! Offline: `cargo run -p karat-examples --features otel --bin otel`; live as the other examples. The collector listens at
//! `OTEL_EXPORTER_OTLP_ENDPOINT`, by default `http://localhost:4318`; Jaeger is one:
//! `docker run -p 4318:4318 -p 16686:16686 jaegertracing/jaeger:latest`, and the trace is at <http://localhost:16686>.
//! With `--content`, prompts and answers are in it too.

use std::{error::Error, time::Duration};

use karat::{
    BestOfN, ChainOfThought, Lm, Module, Predict, Prediction, Reasoned, Reply, Result, ScriptedLm, module,
    reward, signature,
    telemetry::{Names, set_names},
};
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::{Resource, trace::SdkTracerProvider};
use tracing_subscriber::{Layer, filter::Targets, layer::SubscriberExt};

/// Name the subject of the news in one or two words.
#[signature]
struct Subject {
    #[input]
    news: String,
    #[output]
    subject: String,
}

/// Write a headline of three to eight words about the subject.
#[signature]
struct Headline {
    #[input]
    news: String,
    #[input]
    subject: String,
    #[output]
    headline: String,
}

#[derive(Clone, Debug)]
struct News {
    news: String,
}

#[module]
struct Editor {
    subject: Predict<Subject>,
    headline: ChainOfThought<Headline>,
}

#[module]
impl Editor {
    async fn forward(&self, input: News) -> Result<Prediction<Reasoned<HeadlineOutput>>> {
        let subject =
            self.subject.call(SubjectInput { news: input.news.clone() }).await?.into_inner().subject;
        self.headline.call(HeadlineInput { news: input.news, subject }).await
    }
}

/// The name of the evaluation.
#[reward]
fn brief(_: &News, written: &Prediction<Reasoned<HeadlineOutput>>) -> (f64, String) {
    let words = written.headline.split_whitespace().count();
    (if (3..=8).contains(&words) { 1.0 } else { 0.0 }, format!("{words} words"))
}

fn main() -> std::result::Result<(), Box<dyn Error>> {
    let provider = export()?;
    let lm = karat_examples::lm(script())?.record_content(std::env::args().any(|arg| arg == "--content"));
    let outcome = tokio::runtime::Runtime::new()?.block_on(run(&lm));
    // Sends what is still waiting, also where the program failed.
    provider.shutdown_with_timeout(Duration::from_secs(10))?;
    println!("{}", outcome?);
    eprintln!("the trace is sent");
    Ok(())
}

/// Sends karat's spans to the collector from now on, under the names of the conventions.
fn export() -> std::result::Result<SdkTracerProvider, Box<dyn Error>> {
    set_names(Names::OpenTelemetry);
    // Its address, headers and timeouts come from the variables `OTEL_EXPORTER_OTLP_*`.
    let exporter = SpanExporter::builder().with_http().build()?;
    let service = Resource::builder().with_service_name("karat-example").build();
    let provider = SdkTracerProvider::builder().with_resource(service).with_batch_exporter(exporter).build();
    let layer = tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("karat"))
        .with_location(false)
        .with_threads(false)
        .with_tracked_inactivity(false);
    // Only karat's: the exporter's own requests are not to be exported.
    let only_karat = Targets::new().with_target("karat", tracing::Level::INFO);
    tracing::subscriber::set_global_default(
        tracing_subscriber::registry().with(layer.with_filter(only_karat)),
    )?;
    Ok(provider)
}

async fn run(lm: &Lm) -> Result<String> {
    let mut editor = Editor { subject: Predict::new(), headline: ChainOfThought::new() };
    editor.set_lm(lm);
    let best = BestOfN::new(editor, 3, brief).threshold(1.0);
    let news =
        "On Monday the city council of Graz decided that by 2031 all 164 of its buses will run on hydrogen.";
    let best = best.call(News { news: news.into() }).await?;
    Ok(best.headline.clone())
}

fn script() -> ScriptedLm {
    let subject = || Reply::fields([("subject", "hydrogen buses")]);
    let headline = |text: &str| Reply::fields([("reasoning", "It is about buses."), ("headline", text)]);
    ScriptedLm::new([
        subject(),
        headline("The city council of Graz decided on Monday that all buses will run on hydrogen"),
        subject(),
        headline("All Graz buses to run on hydrogen"),
    ])
}
