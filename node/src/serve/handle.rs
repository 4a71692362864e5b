//! What a request of each kind leads to, and who may send it.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use xacminh_core::command::Urgency;
use xacminh_proto::{
    identity::{Identity, Role},
    vocab::{ErrorNumber, OfficialId, Outcome, PersonNumber, PortalId, RequestId},
    wire::{Answer, Ask, ErasureOrder, Failure, Reply, Request, TrailPage},
};

use super::{Hall, background::Turn, parse, steps};
use crate::telemetry::{QuestionContext, QuestionOutcome, Stage, Stopwatch, log_question};
use crate::verify::{Answered, ErasureReason, ReceiptHolder, Terms, TrailPart, TrailReader};

/// What a certificate allows, read once per connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rights {
    /// Asks questions for its officials.
    Portal(PortalId),
    /// Asks questions as one official of a portal.
    Official(PortalId, String),
    /// Changes the register.
    Operator(String),
    /// Reads the log, under this name.
    Auditor(String),
    /// Reads who asked about a citizen, for that citizen.
    CitizenService(String),
    /// Nothing: a role or name that has no business at this door.
    Nothing,
}

impl Rights {
    /// The rights of a certificate's identity.
    ///
    /// A portal's name is its number in the register; an official's client is named `<portal>-<official>`.
    #[must_use]
    pub fn of(identity: &Identity) -> Self {
        match identity.role() {
            Role::Portal => identity.name().parse().map_or(Self::Nothing, |id| Self::Portal(PortalId(id))),
            Role::OfficialClient => match identity.name().split_once('-') {
                Some((portal, official)) => {
                    portal.parse().map_or(Self::Nothing, |id| Self::Official(PortalId(id), official.to_owned()))
                }
                None => Self::Nothing,
            },
            Role::Operator => Self::Operator(identity.name().to_owned()),
            Role::Auditor => Self::Auditor(identity.name().to_owned()),
            Role::CitizenService => Self::CitizenService(identity.name().to_owned()),
            Role::Peer | Role::Node => Self::Nothing,
        }
    }

    /// The role, for the detail of a refusal: the number says already that it does not allow this.
    const fn role(&self) -> &'static str {
        match self {
            Self::Portal(_) => "role: portal",
            Self::Official(..) => "role: official-client",
            Self::Operator(_) => "role: operator",
            Self::Auditor(_) => "role: auditor",
            Self::CitizenService(_) => "role: citizen-service",
            Self::Nothing => "role: none that asks nodes, or a name that is no portal's or official's",
        }
    }

    /// The portal for which a question may be asked, if any.
    fn portal(&self, ask: &Ask) -> Option<PortalId> {
        match self {
            Self::Portal(portal) => Some(*portal),
            Self::Official(portal, official) if *official == ask.official => Some(*portal),
            Self::Official(..) | Self::Operator(_) | Self::Auditor(_) | Self::CitizenService(_) | Self::Nothing => None,
        }
    }

    /// Whose receipts may be had again, if anybody's.
    fn receipt_holder(&self) -> Option<ReceiptHolder> {
        match self {
            Self::Portal(portal) => Some(ReceiptHolder::Portal(*portal)),
            Self::Official(portal, official) => {
                OfficialId::parse(official).ok().map(|official| ReceiptHolder::Official(*portal, official))
            }
            Self::Operator(_) | Self::Auditor(_) | Self::CitizenService(_) | Self::Nothing => None,
        }
    }

    /// As whom a trail may be read, if at all.
    fn trail_reader(&self) -> Option<TrailReader> {
        match self {
            Self::Auditor(name) => Some(TrailReader::Auditor(name.clone())),
            Self::CitizenService(name) => Some(TrailReader::CitizenService(name.clone())),
            Self::Portal(_) | Self::Official(..) | Self::Operator(_) | Self::Nothing => None,
        }
    }
}

impl Hall {
    /// The reply to one request.
    pub(super) async fn reply(
        &self,
        rights: &Rights,
        request: Request,
        urgency: Urgency,
        watch: &mut Stopwatch,
    ) -> Reply {
        let denied = || fail(ErrorNumber::RoleNotAllowed, rights.role());
        // Whatever costs a leaf, a signature or reads of the disk waits its turn with the questions. A question takes its
        // place where it is counted, and how the node is can be asked of one that is full.
        let _place = match &request {
            Request::Ask(_) | Request::Status => None,
            _ => match self.in_flight.try_acquire() {
                Ok(place) => Some(place),
                Err(_) => return fail(ErrorNumber::Overloaded, ""),
            },
        };
        match (request, rights) {
            (Request::Ask(ask), _) => match rights.portal(&ask) {
                Some(portal) => self.ask(portal, ask, urgency, watch).await,
                None => denied(),
            },
            (Request::Receipt(id), _) => match rights.receipt_holder() {
                Some(holder) => self.receipt(&holder, id).await,
                None => denied(),
            },
            (Request::Status, Rights::Nothing) => denied(),
            (Request::Status, _) => Reply::Status(self.office.view().into()),
            (Request::AuditQuery(query), Rights::Auditor(name)) => self.audit_query(name, *query).await,
            (Request::AuditOpen(position), Rights::Auditor(name)) => self.audit_open(name, position).await,
            (Request::Checkpoint | Request::CheckpointOf(_) | Request::Consistency(_), Rights::Nothing) => denied(),
            (Request::Checkpoint, _) => self.checkpoint(None).await,
            (Request::CheckpointOf(year), _) => self.checkpoint(Some(year)).await,
            (Request::Consistency(wish), _) => self.consistency(wish),
            (Request::Register(page), Rights::Auditor(_) | Rights::Operator(_)) => self.register(page),
            (Request::Audit(page), Rights::Auditor(_)) => {
                match self.office.leaves(page.from, usize::from(page.limit)) {
                    Ok(leaves) => Reply::Audit(leaves.into()),
                    Err(number) => fail(number, ""),
                }
            }
            (Request::PutRegister(document), Rights::Operator(name)) => {
                match self.office.put_register(name, document).await {
                    Ok(revision) => Reply::RegisterAccepted { revision },
                    Err(trouble) => Reply::Failure(trouble.into()),
                }
            }
            (Request::Erase(order), Rights::Operator(name)) => self.erase(name, *order).await,
            (Request::Trail(page), _) => match rights.trail_reader() {
                Some(reader) => self.trail(&reader, *page).await,
                None => denied(),
            },
            (
                Request::Audit(_)
                | Request::PutRegister(_)
                | Request::Erase(_)
                | Request::AuditQuery(_)
                | Request::AuditOpen(_)
                | Request::Register(_),
                _,
            ) => denied(),
        }
    }

    async fn receipt(&self, holder: &ReceiptHolder, id: RequestId) -> Reply {
        match self.office.receipt(holder, id).await {
            Ok(receipt) => Reply::Receipt(receipt),
            Err(number) => fail(number, ""),
        }
    }

    async fn trail(&self, reader: &TrailReader, page: TrailPage) -> Reply {
        let Ok(number) = PersonNumber::parse(&page.number) else { return fail(ErrorNumber::BadNumber, "number") };
        match self.office.trail(reader, number, TrailPart { at: page.at, from: page.from }).await {
            Ok(told) => Reply::Trail(Box::new(told.into())),
            Err(number) => fail(number, ""),
        }
    }

    async fn erase(&self, operator: &str, order: ErasureOrder) -> Reply {
        let Ok(number) = PersonNumber::parse(&order.number) else { return fail(ErrorNumber::BadNumber, "number") };
        let ErasureOrder { ground, ordered_by, .. } = order;
        if ground.trim().is_empty() || ordered_by.trim().is_empty() {
            return fail(ErrorNumber::MalformedMessage, "an erasure has a legal ground, and somebody who ordered it");
        }
        match self.office.erase(number, &ErasureReason { operator: operator.to_owned(), ground, ordered_by }).await {
            Ok(position) => Reply::Erased { position },
            Err(trouble) => Reply::Failure(trouble.into()),
        }
    }

    async fn ask(&self, portal: PortalId, ask: Box<Ask>, urgency: Urgency, watch: &mut Stopwatch) -> Reply {
        let began = Instant::now();
        // Before it takes a place that others could have: the session's bound is that of those who wait here.
        let turn = match urgency {
            Urgency::Counter => None,
            Urgency::Background => match self.turn(began + parse::patience(&ask)).await {
                Some(turn) => Some(turn),
                None => return self.turned_away(ErrorNumber::DeadlineExceeded, "", watch),
            },
        };
        if turn.is_some() {
            // How long the node takes is not how long it let others go first.
            *watch = Stopwatch::start();
        }
        let _counted = self.metrics.enter();
        // Admission comes before everything else: a question too many must cost next to nothing.
        let Ok(place) = self.in_flight.try_acquire() else {
            return self.turned_away(ErrorNumber::Overloaded, "", watch);
        };
        if *self.stop.borrow() {
            return self.turned_away(ErrorNumber::ShuttingDown, "", watch);
        }
        let asked = match parse::question(portal, ask) {
            Ok(asked) => asked,
            Err(wrong) => return self.turned_away(wrong.number, wrong.field, watch),
        };
        watch.lap(Stage::Door, &self.metrics);
        let question = &asked.question;
        let context = || {
            let (request, procedure) = (question.request_id, question.procedure.clone());
            QuestionContext { request, portal, procedure }
        };
        let step = self.bounds.unconfirmed_step;
        let deadline = steps::deadline(began, Duration::from_millis(u64::from(asked.deadline_ms)), step);
        let terms = Terms { receipt: asked.receipt, deadline, urgency };
        let answered = context().over(self.office.answer(question, &asked.canonical, terms, watch)).await;
        let (outcome, error) = match &answered {
            Ok(answered) => (QuestionOutcome::from(&answered.outcome), refused(&answered.outcome)),
            Err(number) => (QuestionOutcome::Failed, Some(*number)),
        };
        watch.finish(outcome, &self.metrics);
        if let Some(number) = error {
            self.metrics.refusal(number);
        }
        log_question(context, outcome, error, watch);
        if steps::is_evened(&answered) {
            // The work is done: an answer that waits keeps nobody out.
            drop((place, turn));
            tokio::time::sleep_until(steps::leaves(began, Instant::now(), deadline, step)).await;
        }
        match answered {
            Ok(Answered { outcome, position, at_ms, receipt }) => {
                let request_id = question.request_id;
                Reply::Answer(Box::new(Answer { request_id, outcome, position, at_ms, receipt }))
            }
            Err(number) => fail(number, ""),
        }
    }
}

impl Hall {
    /// Waits until a question that nobody waits for may go on; none if it is too late then.
    async fn turn(&self, deadline: Instant) -> Option<Turn<'_>> {
        timeout_at(deadline, self.background.enter(|| self.office.counter_asked())).await.ok()
    }

    /// A question that does not get as far as the desk; it is counted like the others.
    fn turned_away(&self, number: ErrorNumber, detail: &str, watch: &mut Stopwatch) -> Reply {
        watch.finish(QuestionOutcome::Failed, &self.metrics);
        self.metrics.refusal(number);
        fail(number, detail)
    }
}

fn refused(outcome: &Outcome) -> Option<ErrorNumber> {
    match outcome {
        Outcome::Refused(number) => Some(*number),
        _ => None,
    }
}

/// A failure reply; the detail never carries what the caller sent.
pub(super) fn fail(number: ErrorNumber, detail: &str) -> Reply {
    Reply::Failure(Failure { number, detail: detail.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_says_what_its_holder_may() {
        let rights = |uri: &str| Rights::of(&Identity::parse(uri).expect("an identity"));
        let table = [
            ("xacminh://dev/portal/7", Rights::Portal(PortalId(7))),
            ("xacminh://dev/official-client/7-clerk-01", Rights::Official(PortalId(7), "clerk-01".to_owned())),
            ("xacminh://dev/official-client/clerk-01", Rights::Nothing),
            ("xacminh://dev/official-client/clerk", Rights::Nothing),
            ("xacminh://dev/operator/lan", Rights::Operator("lan".to_owned())),
            ("xacminh://dev/auditor/thanh-tra", Rights::Auditor("thanh-tra".to_owned())),
            ("xacminh://dev/citizen-service/cong-dan", Rights::CitizenService("cong-dan".to_owned())),
            ("xacminh://dev/node/1", Rights::Nothing),
            ("xacminh://dev/peer/1", Rights::Nothing),
        ];
        for (uri, expected) in table {
            assert_eq!(rights(uri), expected, "{uri}");
        }
    }
}
