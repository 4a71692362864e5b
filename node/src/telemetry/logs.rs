//! Structured logs: one line per event, which names its question if it belongs to one, and no personal data.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use xacminh_proto::vocab::ErrorNumber;

use super::context::{InQuestion, QuestionContext};
use super::redact::Redacting;
use super::{QuestionOutcome, Stage, Stopwatch};
use crate::config::{Log, LogFormat};

/// Starts logging to standard error for the rest of the process. A second call changes nothing and says so.
pub fn install_logs(log: &Log) -> Result<(), String> {
    let filter = EnvFilter::try_new(&log.level).map_err(|error| format!("log.level: {error}"))?;
    tracing::subscriber::set_global_default(subscriber(log.format, filter, || Redacting(io::stderr())))
        .map_err(|_| "logging runs already".to_owned())
}

fn subscriber<W>(format: LogFormat, filter: EnvFilter, writer: W) -> Box<dyn tracing::Subscriber + Send + Sync>
where
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer);
    match format {
        LogFormat::Json => Box::new(builder.json().event_format(InQuestion::json()).finish()),
        // A file of escape sequences is no log.
        LogFormat::Text => {
            Box::new(builder.with_ansi(io::stderr().is_terminal()).event_format(InQuestion::text()).finish())
        }
    }
}

/// Ends a question in the log: one line at level `debug`, with where the time went.
pub fn log_question(
    question: impl FnOnce() -> QuestionContext,
    outcome: QuestionOutcome,
    error: Option<ErrorNumber>,
    watch: &Stopwatch,
) {
    // Checked first, so that a quiet node pays for no formatting.
    if !tracing::enabled!(target: "xacminh::question", tracing::Level::DEBUG) {
        return;
    }
    question().within(|| {
        tracing::debug!(
            target: "xacminh::question",
            outcome = outcome.text(),
            error = error.map_or(0, ErrorNumber::number),
            total_us = watch.total_us(),
            door_us = watch.lap_us(Stage::Door),
            register_us = watch.lap_us(Stage::Register),
            store_us = watch.lap_us(Stage::Store),
            upstream_us = watch.lap_us(Stage::Upstream),
            decide_us = watch.lap_us(Stage::Decide),
            propose_us = watch.lap_us(Stage::Propose),
            commit_us = watch.lap_us(Stage::Commit),
            receipt_us = watch.lap_us(Stage::Receipt),
            apply_us = watch.lap_us(Stage::Apply),
            reply_us = watch.lap_us(Stage::Reply),
            "question"
        );
    });
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use xacminh_proto::vocab::{PortalId, ProcedureCode};

    use super::*;
    use crate::env::{ManualClock, request_id};
    use crate::telemetry::Metrics;

    const PERSON: &str = "048190001234";

    #[derive(Clone, Default)]
    struct Memory(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Memory {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("no thread panicked").extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is logged, in a format at a level, while `work` runs.
    fn logged(format: LogFormat, level: &str, work: impl FnOnce()) -> String {
        let memory = Memory::default();
        let sink = memory.clone();
        let subscriber = subscriber(format, EnvFilter::new(level), move || Redacting(sink.clone()));
        tracing::subscriber::with_default(subscriber, work);
        let bytes = memory.0.lock().expect("no thread panicked").clone();
        String::from_utf8(bytes).expect("UTF-8")
    }

    fn a_question(procedure: &str) -> QuestionContext {
        let request = request_id(&ManualClock::at_ms(1_790_000_000_000));
        let procedure = ProcedureCode::try_from(procedure.to_owned()).expect("a code");
        QuestionContext { request, portal: PortalId(7), procedure }
    }

    #[test]
    fn one_json_line_per_question_with_safe_fields_only() {
        let mut id = String::new();
        let text = logged(LogFormat::Json, "debug", || {
            let question = a_question("1.004222");
            id = question.request.to_string();
            let mut watch = Stopwatch::start();
            watch.lap(Stage::Store, &Metrics::new());
            log_question(|| question, QuestionOutcome::Refused, Some(ErrorNumber::ClaimNotAllowed), &watch);
        });
        let line: serde_json::Value = serde_json::from_str(text.trim()).expect("one JSON object");
        assert_eq!(line["outcome"], "refused");
        assert_eq!(line["error"], 2007);
        assert_eq!(line["question"]["request"], id);
        assert_eq!(line["question"]["portal"], 7);
        assert_eq!(line["question"]["procedure"], "1.004222");
        assert!(line["store_us"].is_u64());
        let mut fields: Vec<&str> = line.as_object().expect("an object").keys().map(String::as_str).collect();
        fields.retain(|field| !field.ends_with("_us"));
        fields.sort_unstable();
        assert_eq!(fields, ["error", "level", "message", "outcome", "question", "target", "timestamp"]);
    }

    #[test]
    fn questions_are_quiet_at_level_info() {
        let text = logged(LogFormat::Json, "info", || {
            log_question(|| a_question("1.004222"), QuestionOutcome::Confirmed, None, &Stopwatch::start());
        });
        assert_eq!(text, "");
    }

    #[test]
    fn a_citizen_number_reaches_the_log_by_no_way() {
        for format in [LogFormat::Json, LogFormat::Text] {
            let text = logged(format, "trace", || {
                // As a procedure code, in a library's error text, as a field, in a panic-like message.
                log_question(|| a_question(PERSON), QuestionOutcome::Confirmed, None, &Stopwatch::start());
                a_question(PERSON).within(|| {
                    tracing::warn!(error = %format!("duplicate key (pin)=({PERSON})"), "database");
                });
                tracing::error!(number = PERSON, "a field");
                tracing::error!("a message with {PERSON}");
                let number: xacminh_proto::vocab::CitizenNumber =
                    xacminh_proto::vocab::CitizenNumber::parse(PERSON).expect("a number");
                tracing::error!(?number, "a typed number");
            });
            assert_eq!(text.lines().count(), 5, "{text}");
            assert!(!text.contains(PERSON), "{text}");
            assert!(text.contains("(not a procedure code)"), "{text}");
        }
    }

    #[test]
    fn events_inside_a_question_name_it_and_others_do_not() {
        for format in [LogFormat::Json, LogFormat::Text] {
            let question = a_question("2.000635");
            let id = question.request.to_string();
            let text = logged(format, "info", || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
                runtime.block_on(async {
                    let work = question.over(async {
                        tokio::task::yield_now().await;
                        tracing::warn!("the authority is slow");
                    });
                    let other = async { tracing::info!("somebody else's") };
                    tokio::join!(work, other);
                });
                tracing::info!("nobody's");
            });
            let named = |line: &&str| line.contains(&id) && line.contains("2.000635");
            let lines: Vec<&str> = text.lines().collect();
            assert_eq!(lines.len(), 3, "{text}");
            let of_it: Vec<&str> = lines.iter().copied().filter(named).collect();
            assert!(matches!(of_it[..], [line] if line.contains("the authority is slow")), "{text}");
            if format == LogFormat::Json {
                for line in lines {
                    serde_json::from_str::<serde_json::Value>(line).expect("one object for each line");
                }
            }
        }
    }
}
