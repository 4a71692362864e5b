//! From what is seen to what is told: the register's thresholds, who tells, and no more lines than somebody reads.

use std::{collections::HashMap, sync::Arc};

use xacminh_core::{command::RecordKey, register::Register};
use xacminh_proto::vocab::PersonNumber;

use super::{Alarm, Message, Queue, Sight, Told, Watch};
use crate::{
    env::Clock,
    keyring::Keyring,
    store::State,
    telemetry::{AlarmKind, AlarmMetrics},
};

/// Lines a minute; alarms beyond it are in the metric alone.
const LINES_PER_MINUTE: u32 = 60;

/// Age at which an entry is no news any more: a node that starts applies old ones again.
const NEWS_MS: u64 = 600_000;

const MINUTE_MS: u64 = 60_000;

/// What alarms are raised by.
pub struct Terms {
    /// The register is in it.
    pub state: State,
    /// Makes pseudonyms and row keys.
    pub keyring: Arc<Keyring>,
    /// Tells what is news.
    pub clock: Arc<dyn Clock>,
    /// Counts alarms.
    pub metrics: Arc<AlarmMetrics>,
}

/// The thresholds of the register in force.
#[derive(Default)]
struct InForce {
    revision: u64,
    register: Option<Register>,
    /// Row keys of officials' own numbers, by pseudonym.
    own: HashMap<[u8; 16], RecordKey>,
}

struct Teller {
    terms: Terms,
    in_force: InForce,
    /// Of entries, which every node sees.
    common: Watch,
    /// Of this node's own questions.
    local: Watch,
    minute: u64,
    lines: u32,
}

/// Looks at everything that comes until nobody feeds any more; `leads` says whether this node tells of entries.
pub async fn run(mut queue: Queue, terms: Terms, leads: impl Fn() -> bool) {
    let in_force = InForce::default();
    let mut teller = Teller { terms, in_force, common: Watch::default(), local: Watch::default(), minute: 0, lines: 0 };
    while let Some(message) = queue.recv().await {
        let raised = teller.look(&message);
        let tells = match message {
            Message::Applied { .. } => raised.is_empty() || leads(),
            Message::Answered(_) => true,
        };
        if tells {
            raised.iter().for_each(|alarm| teller.tell(alarm));
        }
    }
}

impl Teller {
    fn look(&mut self, message: &Message) -> Vec<Alarm> {
        self.follow_register();
        let mut raised = Vec::new();
        let Some(register) = &self.in_force.register else { return raised };
        let (alarms, own) = (&register.alarms, &self.in_force.own);
        match message {
            Message::Applied { sights, budgets } => {
                for sight in sights {
                    self.common.see(*sight, alarms, own.get(&sight.official), &mut raised);
                }
                for spent in budgets {
                    self.terms.metrics.budget(spent.key, spent.points, spent.points_max);
                    self.common.see_budget(spent, &mut raised);
                }
            }
            Message::Answered(Told { sight, is_blank_dossier, household }) => {
                if *is_blank_dossier {
                    self.local.see_blank_dossier(*sight, &mut raised);
                }
                let row_key = |number| self.terms.keyring.row_key(PersonNumber::Citizen(number));
                let household: Vec<RecordKey> = household.iter().copied().map(row_key).collect();
                self.local.see_household(*sight, &household, alarms, own.get(&sight.official), &mut raised);
            }
        }
        if self.common.is_full() || self.local.is_full() {
            self.terms.metrics.lost();
        }
        raised
    }

    /// Parses the register once for each revision; one that does not parse is said so by the desk.
    fn follow_register(&mut self) {
        let document = self.terms.state.document();
        if document.revision == self.in_force.revision {
            return;
        }
        let register = Register::parse(&document.text).ok();
        let mut own = HashMap::new();
        for portal in register.iter().flat_map(Register::portals) {
            let pseudonym = |official| self.terms.keyring.official_pseudonym(portal.id, official);
            own.extend(portal.own_numbers().map(|(official, key)| (pseudonym(official), *key)));
        }
        self.in_force = InForce { revision: document.revision, register, own };
    }

    fn tell(&mut self, Alarm { kind, sight, count }: &Alarm) {
        let now_ms = self.terms.clock.now_ms();
        if sight.at_ms.saturating_add(NEWS_MS) < now_ms {
            return;
        }
        self.terms.metrics.raised(*kind);
        if now_ms / MINUTE_MS != self.minute {
            (self.minute, self.lines) = (now_ms / MINUTE_MS, 0);
        }
        self.lines = self.lines.saturating_add(1);
        if self.lines <= LINES_PER_MINUTE {
            log(*kind, sight, *count);
        } else if self.lines == LINES_PER_MINUTE + 1 {
            tracing::warn!(
                alarm = "too_many",
                "more alarms in this minute than are told; xacminh_alarms_total has all"
            );
        }
    }
}

/// One line, with pseudonyms and the position of a leaf: who it is, an auditor opens.
fn log(kind: AlarmKind, sight: &Sight, count: u32) {
    tracing::warn!(
        alarm = kind.text(),
        portal = sight.portal_number(),
        official = sight.official_text(),
        position = sight.position,
        at_ms = sight.at_ms,
        count,
        "somebody asks as nobody should"
    );
}
