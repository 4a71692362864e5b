//! The parts of an audit entry.

use xacminh_core::{
    decide::{Asked, Decision, Next, decide},
    draft::{Context, Salts, addendum, leaf, leaf_verdict, statement_count},
    question::Question,
};
use xacminh_proto::{
    transparency::{
        Leaf, LeafKind, LeafVerdict, Opening, Salt, attributes_root, merkle, statements, subject_commitment,
    },
    vocab::{Attribute, Cause, ClaimKind, ClaimVerdict, ErrorNumber, Outcome, PersonNumber, Reason, Verdict},
};

use crate::fixtures::{NOW_MS, NUMBER, an, claim, known, old, permitted, question, rows, the_register};

fn salts(outcome: &Outcome, question: &Question) -> Salts {
    let count = statement_count(outcome, &question.claims);
    let statements = (1..).map(|byte| Salt([byte; 32])).take(count).collect();
    Salts { subject: Salt([200; 32]), statements }
}

fn confirmed() -> (Question, Decision) {
    let mut question = question();
    question.claims = vec![claim("age_at_least 18"), claim("residence permanent 79")];
    question.attributes = [Attribute::FullName, Attribute::Sex].into_iter().collect();
    let Next::Answer(decision) =
        decide(&question, &permitted(&question), Some(&known(vec![an()])), Asked::Answered, NOW_MS)
    else {
        panic!("answered")
    };
    (question, decision)
}

#[test]
fn a_leaf_says_who_asked_what_and_commits_to_all_that_was_answered() {
    let (question, decision) = confirmed();
    let salts = salts(&decision.outcome, &question);
    let grounds = permitted(&question).grounds();
    let context = Context { official: [6; 16], grounds, addendum_digest: [8; 32] };
    let leaf = Leaf::decode(&leaf(&question, &decision, &salts, &context)).expect("a leaf");

    assert_eq!((leaf.kind, leaf.verdict, leaf.time_ms), (LeafKind::Disclosed, LeafVerdict::NoMatch, 0));
    assert_eq!((leaf.request_id, leaf.portal, leaf.official), (question.request_id, question.portal, [6; 16]));
    assert_eq!((leaf.purpose, leaf.procedure, leaf.register_revision, leaf.record_version), (12, 2, 7, 9));
    assert_eq!((leaf.fields, leaf.addendum_digest), (question.fields(), [8; 32]));
    assert_eq!(leaf.subject, subject_commitment(&Salt([200; 32]), NUMBER.as_bytes()));

    // The holder of all openings finds the same root; with one opening changed, another.
    let root =
        |openings: &[Opening]| attributes_root(&mut openings.iter().map(Opening::commitment).collect::<Vec<_>>());
    let mut openings: Vec<Opening> = statements(&decision.outcome, &question.claims)
        .into_iter()
        .zip(&salts.statements)
        .map(|((name, value), salt)| Opening { name, salt: *salt, value })
        .collect();
    let names: Vec<&str> = openings.iter().map(|opening| opening.name.as_str()).collect();
    assert_eq!(names, ["outcome", "claim/0/age_at_least", "claim/1/residence", "attribute/full_name", "attribute/sex"]);
    assert_eq!(leaf.attributes_root, root(&openings));
    openings[3].value.push(b'!');
    assert_ne!(leaf.attributes_root, root(&openings));
    assert_ne!(leaf.attributes_root, merkle::root_of_leaf_hashes(&[]));
}

#[test]
fn an_addendum_holds_what_a_retry_and_an_auditor_need() {
    let (mut question, decision) = confirmed();
    let salts = salts(&decision.outcome, &question);
    let found = addendum(&question, &decision, &salts, NOW_MS + 5);
    assert_eq!((found.number.as_str(), found.official.as_str()), (NUMBER, "clerk-01"));
    assert_eq!((found.dossier.as_str(), found.procedure.as_str()), ("H17.12-261121-0042", "9.everything"));
    assert_eq!((found.decided_at_ms, found.as_of_ms), (NOW_MS + 5, NOW_MS));
    assert!(found.subject_salt == salts.subject && found.salts == salts.statements);
    assert!(found.outcome == Some(decision.outcome.clone()));
    found.encode().expect("it fits");
    question.person.number = PersonNumber::Old(old("201123456"));
    assert_eq!(addendum(&question, &decision, &salts, NOW_MS).number, "201123456");
}

#[test]
fn a_refusal_has_a_leaf_of_its_own_kind_and_names_the_procedure_if_known() {
    let question = question();
    let decision = Decision::refused(ErrorNumber::PortalSuspended);
    let grounds = the_register().grounds(&question.procedure);
    let context = Context { official: [6; 16], grounds, addendum_digest: [8; 32] };
    let salts = salts(&decision.outcome, &question);
    let leaf = Leaf::decode(&leaf(&question, &decision, &salts, &context)).expect("a leaf");
    assert_eq!((leaf.kind, leaf.verdict, leaf.record_version), (LeafKind::Refused, LeafVerdict::Refused, 0));
    assert_eq!((leaf.purpose, leaf.procedure), (12, 2));
    assert_eq!((decision.is_miss, salts.statements.len()), (false, 1));
}

#[test]
fn leaves_of_the_unconfirmed_do_not_tell_why() {
    let leaf_of = |people, change: fn(&mut Question)| {
        let mut question = question();
        change(&mut question);
        let Next::Answer(decision) =
            decide(&question, &permitted(&question), Some(&known(people)), Asked::Answered, NOW_MS)
        else {
            panic!("answered")
        };
        let salts = salts(&decision.outcome, &question);
        let grounds = permitted(&question).grounds();
        leaf(&question, &decision, &salts, &Context { official: [6; 16], grounds, addendum_digest: [8; 32] })
    };
    let unknown = leaf_of(vec![], |_| {});
    assert_eq!(unknown, leaf_of(vec![an()], |question| question.person.name = crate::fixtures::name("Trần An")));
    assert_eq!(unknown, leaf_of(vec![an()], |question| question.person.birth = crate::fixtures::birth("1984")));
}

#[test]
#[should_panic(expected = "every statement has its own salt")]
fn a_salt_too_few_is_a_defect() {
    let (question, decision) = confirmed();
    let mut salts = salts(&decision.outcome, &question);
    salts.statements.pop();
    let grounds = permitted(&question).grounds();
    let _ = leaf(&question, &decision, &salts, &Context { official: [6; 16], grounds, addendum_digest: [8; 32] });
}

/// verdicts of the claims | what the leaf tells
const VERDICTS: &str = "
                                 | Match
    match                        | Match
    match, match                 | Match
    match, no match              | NoMatch
    cannot tell, no match        | NoMatch
    match, cannot tell           | Undetermined
";

#[test]
fn the_leaf_tells_the_worst_of_the_verdicts() {
    for [verdicts, told] in rows(VERDICTS) {
        let verdicts = verdicts.split(',').map(str::trim).filter(|text| !text.is_empty()).map(|text| ClaimVerdict {
            kind: ClaimKind::Sex,
            verdict: match text {
                "match" => Verdict::Match,
                "no match" => Verdict::NoMatch,
                _ => Verdict::Undetermined(Cause::NotRecorded),
            },
            reason: Reason::Equal,
        });
        let outcome =
            Outcome::Confirmed { verdicts: verdicts.collect(), attributes: vec![], as_of_ms: 1, reissued: false };
        assert_eq!(format!("{:?}", leaf_verdict(&outcome)), told);
    }
    assert_eq!(leaf_verdict(&Outcome::NotConfirmed), LeafVerdict::NoMatch);
    assert_eq!(leaf_verdict(&Outcome::Undetermined(Cause::Ambiguous)), LeafVerdict::Undetermined);
    assert_eq!(leaf_verdict(&Outcome::Refused(ErrorNumber::PortalUnknown)), LeafVerdict::Refused);
}
