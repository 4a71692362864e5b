//! Which question a line of the log belongs to.
//!
//! A span of `tracing` would be formatted for every question, whether a line is ever written in it or not: 4 % of all
//! that a node does for an answer. Who asks is kept beside the task instead, and told by the line that needs it.

use std::fmt::{self, Write};

use tracing::Event;
use tracing_subscriber::{
    fmt::{
        FmtContext, FormatEvent, FormatFields,
        format::{self, Writer},
    },
    registry::Registry,
};
use xacminh_proto::vocab::{PortalId, ProcedureCode, RequestId};

use crate::config::LogFormat;

tokio::task_local! {
    static QUESTION: QuestionContext;
}

/// One question, as the log may name it: ids of systems, never of people.
///
/// The official and the dossier stay out, since a dossier number names a citizen to those who have the file.
#[derive(Clone, Debug)]
pub struct QuestionContext {
    /// The request's id.
    pub request: RequestId,
    /// Who asks.
    pub portal: PortalId,
    /// For what.
    pub procedure: ProcedureCode,
}

impl QuestionContext {
    /// Every line that `work` writes, in whatever room, names the question.
    pub async fn over<F: Future>(self, work: F) -> F::Output {
        QUESTION.scope(self, work).await
    }

    /// As [`Self::over`], for what does not wait.
    pub(super) fn within<T>(self, work: impl FnOnce() -> T) -> T {
        QUESTION.sync_scope(self, work)
    }

    fn code(&self) -> &str {
        shown_code(self.procedure.as_str())
    }
}

/// A procedure code as it may be logged: digits and dots, with a dot in it. A caller that puts anything else into the
/// field (a citizen number by a mapping mistake, say) is not helped to write it into our logs.
fn shown_code(code: &str) -> &str {
    let digits_and_dots = code.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if digits_and_dots && code.contains('.') { code } else { "(not a procedure code)" }
}

/// Lines of a format, with the question they belong to, if they belong to one.
pub(super) struct InQuestion<E> {
    lines: E,
    format: LogFormat,
}

impl InQuestion<format::Format<format::Json>> {
    pub(super) fn json() -> Self {
        let lines = format::json().flatten_event(true).with_current_span(false).with_span_list(false);
        Self { lines, format: LogFormat::Json }
    }
}

impl InQuestion<format::Format> {
    pub(super) fn text() -> Self {
        Self { lines: format::format(), format: LogFormat::Text }
    }
}

impl<E, N> FormatEvent<Registry, N> for InQuestion<E>
where
    E: FormatEvent<Registry, N>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, Registry, N>,
        mut to: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = String::new();
        let told = QUESTION.try_with(|question| {
            self.lines.format_event(context, Writer::new(&mut line), event)?;
            self.tell(&mut line, question)
        });
        match told {
            Ok(told) => told.and_then(|()| to.write_str(&line)),
            Err(_) => self.lines.format_event(context, to, event),
        }
    }
}

impl<E> InQuestion<E> {
    /// Adds the question to the end of a line, or of its object. Ids and codes need no escaping.
    fn tell(&self, line: &mut String, question: &QuestionContext) -> fmt::Result {
        let QuestionContext { request, portal: PortalId(portal), .. } = question;
        let code = question.code();
        let (end, tail) = match self.format {
            LogFormat::Json => ("}\n", "}}\n"),
            LogFormat::Text => ("\n", "\n"),
        };
        line.truncate(line.strip_suffix(end).map_or(line.len(), str::len));
        match self.format {
            LogFormat::Json => {
                write!(line, r#","question":{{"request":"{request}","portal":{portal},"procedure":"{code}""#)
            }
            LogFormat::Text => write!(line, " question: request={request} portal={portal} procedure={code}"),
        }?;
        line.push_str(tail);
        Ok(())
    }
}
