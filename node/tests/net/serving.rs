//! The door with a scripted office behind it: what one caller's nonsense costs, and what giving up frees.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout},
};
use xacminh_core::question::Question;
use xacminh_node::{
    audit::Page,
    audit::{Found, Inquiry},
    quic::Limits,
    serve::{self, Bounds, Desk, Office, Trouble, View, Work},
    telemetry::{Metrics, Stopwatch},
    tls::Port,
    verify::{Answered, ErasureReason, Inquired, Opened, ReceiptHolder, Terms, ToldTrail, TrailPart, TrailReader},
};
use xacminh_proto::{
    transparency::{Hash, LEAF_BYTES, LeafBytes},
    vocab::{AttributeSet, Claim, ErrorNumber, Outcome, PersonNumber, RequestId},
    wire::{
        Ask, AuditQuery, ConsistencyWish, ErasureOrder, OPERATOR_REQUEST_BYTES_MAX, REPLY_BYTES_MAX, REQUEST_BYTES_MAX,
        ReceiptWish, Reply, Request, STREAM_BACKGROUND, STREAM_ONE, STREAM_SESSION, Tagged, TrailPage, frame, padding,
    },
};

use super::{
    callers::Client,
    certs::{Ca, Spec, load, open},
};

/// What the scripted office gives for a leaf.
const LEAF: LeafBytes = [1; LEAF_BYTES];

/// What the scripted office gives for a receipt.
const CHECKPOINT: &str = "a checkpoint";
const RECEIPT: &str = "a receipt";

const SOON: Duration = Duration::from_secs(20);

/// Counts questions in work, and hangs when the dossier says so.
#[derive(Default)]
struct Scripted {
    in_work: Arc<AtomicUsize>,
    counter_asked: Option<Instant>,
}

struct InWork(Arc<AtomicUsize>);

impl Drop for InWork {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Desk for Scripted {
    fn answer<'a>(
        &'a self,
        question: &'a Question,
        _: &'a [u8],
        terms: Terms,
        _: &'a mut Stopwatch,
    ) -> Work<'a, Result<Answered, ErrorNumber>> {
        self.in_work.fetch_add(1, Ordering::SeqCst);
        let in_work = InWork(Arc::clone(&self.in_work));
        Box::pin(async move {
            let _in_work = in_work;
            if question.dossier.as_str() == "HANG" {
                sleep(Duration::from_secs(600)).await;
            }
            let receipt = terms.receipt.then(|| RECEIPT.to_owned());
            Ok(Answered { outcome: Outcome::NotConfirmed, position: 7, at_ms: 1, receipt })
        })
    }
}

impl Office for Scripted {
    fn view(&self) -> View {
        unreachable!("nobody asks")
    }

    fn counter_asked(&self) -> Option<Instant> {
        self.counter_asked
    }

    fn receipt<'a>(&'a self, holder: &'a ReceiptHolder, id: RequestId) -> Work<'a, Result<String, ErrorNumber>> {
        Box::pin(async move {
            match holder {
                ReceiptHolder::Portal(portal) => Ok(format!("{RECEIPT} {} {id}", portal.0)),
                ReceiptHolder::Official(portal, official) => {
                    Ok(format!("{RECEIPT} {} {} {id}", portal.0, official.as_str()))
                }
            }
        })
    }

    fn inquire<'a>(&'a self, auditor: &'a str, inquiry: Inquiry) -> Work<'a, Result<Inquired, ErrorNumber>> {
        Box::pin(async move {
            // Whether the wire's words arrived: the auditor's name, and what was asked.
            let arrived = auditor == "thanh-tra" && inquiry.dossier.is_some_and(|dossier| dossier.as_str() == "H17.1");
            assert!(arrived && inquiry.newest_first && inquiry.limit == 3);
            let found = Found { leaves: 9, indexed: 8, pruned: 0, entries: vec![(5, LEAF), (2, LEAF)], next: Some(1) };
            Ok(Inquired { found, recorded: None })
        })
    }

    fn open<'a>(&'a self, _: &'a str, _: u64) -> Work<'a, Result<Opened, ErrorNumber>> {
        Box::pin(async { Err(ErrorNumber::Erased) })
    }

    fn checkpoint(&self, year: Option<u16>) -> Work<'_, Result<String, ErrorNumber>> {
        let found = match year {
            None | Some(2_027) => Ok(CHECKPOINT.to_owned()),
            Some(_) => Err(ErrorNumber::RequestUnknown),
        };
        Box::pin(async { found })
    }

    fn consistency(&self, year: u16, old: u64, new: u64) -> Result<Vec<Hash>, ErrorNumber> {
        assert_eq!((year, old, new), (2027, 1, 2));
        Ok(vec![[7; 32]])
    }

    fn leaves(&self, _: u64, _: usize) -> Result<Page, ErrorNumber> {
        Err(ErrorNumber::Internal)
    }

    fn trail<'a>(
        &'a self,
        _: &'a TrailReader,
        _: PersonNumber,
        part: TrailPart,
    ) -> Work<'a, Result<ToldTrail, ErrorNumber>> {
        Box::pin(async move { Ok(ToldTrail { at: 70, count: part.from, from: part.from, ..ToldTrail::default() }) })
    }

    fn erase<'a>(&'a self, _: PersonNumber, _: &'a ErasureReason) -> Work<'a, Result<u64, Trouble>> {
        Box::pin(async { Ok(41) })
    }

    fn register(&self) -> (u64, String) {
        (7, "[register]\nrevision = 7\n".to_owned())
    }

    fn put_register<'a>(&'a self, _: &'a str, document: String) -> Work<'a, Result<u64, Trouble>> {
        Box::pin(async move { Ok(u64::try_from(document.len()).unwrap()) })
    }
}

/// A door that is served, and a portal's connection to it.
pub(super) struct Scene {
    _folder: tempfile::TempDir,
    connection: quinn::Connection,
    in_work: Arc<AtomicUsize>,
    _stop: watch::Sender<bool>,
}

impl Scene {
    pub(super) async fn new() -> Self {
        Self::of("xacminh://dev/portal/1").await
    }

    async fn of(caller: &str) -> Self {
        Self::with_room(caller, 64).await
    }

    async fn with_room(caller: &str, in_flight_max: usize) -> Self {
        Self::beside(caller, in_flight_max, None).await
    }

    /// A scene in which somebody at a counter asked last at this moment, perhaps on another node.
    async fn beside(caller: &str, in_flight_max: usize, counter_asked: Option<Instant>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ca = Ca::new(folder.path(), "client-ca");
        let node = ca.issue("node-1", &Spec::of("xacminh://dev/node/1"));
        let door = open(&load(Port::Clients, 1, node.clone()), Limits::clients());
        let address = door.address();
        let office = Scripted { counter_asked, ..Scripted::default() };
        let in_work = Arc::clone(&office.in_work);
        let (stop, stopped) = watch::channel(false);
        let bounds = Bounds {
            in_flight_connection_max: 16,
            in_flight_max,
            background_max: 2,
            frame_time: Duration::from_secs(10),
            unconfirmed_step: Duration::from_millis(50),
        };
        tokio::spawn(serve::run(door, Arc::new(office), bounds, Arc::new(Metrics::new()), stopped, SOON));
        let caller = ca.issue("caller", &Spec::of(caller));
        let connection = Client::new(Some(&caller), &node, b"xacminh/1").call(address).await.unwrap();
        Self { _folder: folder, connection, in_work, _stop: stop }
    }

    async fn until_in_work(&self, count: usize) {
        let waited = timeout(SOON, async {
            while self.in_work.load(Ordering::SeqCst) != count {
                sleep(Duration::from_millis(5)).await;
            }
        });
        waited.await.unwrap_or_else(|_| panic!("{} in work", self.in_work.load(Ordering::SeqCst)));
    }
}

pub(super) fn ask(dossier: &str, claim: Claim) -> Request {
    Request::Ask(Box::new(Ask {
        request_id: RequestId::new(1_793_000_000_000, [1; 10]),
        official: "clerk-01".to_owned(),
        dossier: dossier.to_owned(),
        procedure: "1.004222".to_owned(),
        number: "048090000001".to_owned(),
        name: "Nguyễn Văn Thử".to_owned(),
        birth: "1990".to_owned(),
        claims: vec![claim],
        attributes: AttributeSet::EMPTY,
        max_age_s: None,
        deadline_ms: 5_000,
        receipt: ReceiptWish::Position,
    }))
}

fn tagged(tag: u64, body: Request) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame::append::<REQUEST_BYTES_MAX, _>(&Tagged { tag, body }, &mut bytes).unwrap();
    bytes
}

async fn read_frame(recv: &mut quinn::RecvStream) -> Vec<u8> {
    let mut prefix = [0; 4];
    timeout(SOON, recv.read_exact(&mut prefix)).await.expect("a reply").unwrap();
    let mut body = vec![0; usize::try_from(u32::from_be_bytes(prefix)).unwrap()];
    timeout(SOON, recv.read_exact(&mut body)).await.expect("a reply").unwrap();
    body
}

async fn reply(recv: &mut quinn::RecvStream) -> (u64, Reply) {
    let Tagged { tag, body } = padding::decode::<REPLY_BYTES_MAX, Tagged<Reply>>(&read_frame(recv).await).unwrap();
    (tag, body)
}

#[tokio::test]
async fn a_request_that_cannot_be_read_gets_its_own_tag_and_the_session_goes_on() {
    let scene = Scene::new().await;
    let (mut send, mut recv) = scene.connection.open_bi().await.unwrap();
    send.write_all(&[STREAM_SESSION]).await.unwrap();
    for tag in [5, 6] {
        let mut torn = tagged(tag, ask("H17", Claim::HeadOfHousehold));
        // A byte too many: the tag is whole, the request is not one.
        torn.push(0);
        let length = u32::try_from(torn.len() - 4).unwrap();
        torn[..4].copy_from_slice(&length.to_be_bytes());
        send.write_all(&torn).await.unwrap();
        let (answered, body) = reply(&mut recv).await;
        assert!(
            matches!(&body, Reply::Failure(failure) if failure.number == ErrorNumber::MalformedMessage),
            "{body:?}"
        );
        assert_eq!(answered, tag);
    }
    send.write_all(&tagged(8, ask("H17", Claim::HeadOfHousehold))).await.unwrap();
    let (tag, body) = reply(&mut recv).await;
    assert!(matches!(&body, Reply::Answer(answer) if answer.position == 7), "{body:?}");
    assert_eq!(tag, 8);
    // Without even a tag nobody can be told which question it was.
    send.write_all(&[0, 0, 0, 2, 253, 1]).await.unwrap();
    assert_eq!(reply(&mut recv).await.0, 0);
    assert!(timeout(SOON, recv.read(&mut [0; 1])).await.expect("an end").unwrap().is_none());
}

#[tokio::test]
async fn a_caller_that_gives_a_question_up_frees_its_place() {
    let scene = Scene::new().await;
    let mut bytes = vec![STREAM_ONE];
    frame::append::<REQUEST_BYTES_MAX, _>(&ask("HANG", Claim::HeadOfHousehold), &mut bytes).unwrap();
    let (mut send, mut recv) = scene.connection.open_bi().await.unwrap();
    send.write_all(&bytes).await.unwrap();
    send.finish().unwrap();
    scene.until_in_work(1).await;
    recv.stop(quinn::VarInt::from_u32(0)).unwrap();
    scene.until_in_work(0).await;
    // The same when the whole connection goes, on a session too.
    let (mut send, _recv) = scene.connection.open_bi().await.unwrap();
    send.write_all(&[STREAM_SESSION]).await.unwrap();
    for tag in 1..4 {
        send.write_all(&tagged(tag, ask("HANG", Claim::HeadOfHousehold))).await.unwrap();
    }
    scene.until_in_work(3).await;
    scene.connection.close(quinn::VarInt::from_u32(0), b"");
    scene.until_in_work(0).await;
}

/// A batch takes places of its own, and few of them while somebody is at a counter.
#[tokio::test]
async fn questions_in_the_background_give_way_to_those_at_a_counter() {
    for (counter_asked, in_work) in [(None, 6), (Some(Instant::now() + SOON), 2)] {
        // Room for all that are let in, and for one more.
        let scene = Scene::beside("xacminh://dev/portal/1", in_work + 1, counter_asked).await;
        let (mut batch, mut answers) = scene.connection.open_bi().await.unwrap();
        batch.write_all(&[STREAM_BACKGROUND]).await.unwrap();
        let mut hanging = ask("HANG", Claim::HeadOfHousehold);
        if let Request::Ask(ask) = &mut hanging {
            ask.deadline_ms = 500;
        }
        for tag in 1..7 {
            batch.write_all(&tagged(tag, hanging.clone())).await.unwrap();
        }
        scene.until_in_work(in_work).await;
        let (mut counter, mut recv) = scene.connection.open_bi().await.unwrap();
        counter.write_all(&[STREAM_SESSION]).await.unwrap();
        counter.write_all(&tagged(1, ask("H17", Claim::HeadOfHousehold))).await.unwrap();
        let (_, body) = reply(&mut recv).await;
        assert!(matches!(&body, Reply::Answer(_)), "those who wait for a turn take no place: {body:?}");
        assert_eq!(scene.in_work.load(Ordering::SeqCst), in_work, "{counter_asked:?}");
        // Who waits for a turn hears in time that there was none.
        if counter_asked.is_some() {
            let (_, body) = reply(&mut answers).await;
            let late = matches!(&body, Reply::Failure(failure) if failure.number == ErrorNumber::DeadlineExceeded);
            assert!(late, "{body:?}");
        }
    }
}

/// What costs a leaf, a signature or reads of the disk waits its turn like a question; how the node is can always be asked.
#[tokio::test]
async fn everything_that_costs_shares_the_room_of_questions() {
    let receipt = || Request::Receipt(RequestId::new(1_793_000_000_000, [1; 10]));
    let number = || "048090000001".to_owned();
    let order = ErasureOrder { number: number(), ground: "Law 91/2025".to_owned(), ordered_by: "12/2027".to_owned() };
    let query = AuditQuery { dossier: Some("H17.1".to_owned()), limit: 3, ..AuditQuery::default() };
    let page = TrailPage { number: number(), at: 0, from: 0 };
    let table = [
        ("portal/1", receipt()),
        ("official-client/1-clerk-01", receipt()),
        ("portal/1", Request::Checkpoint),
        ("portal/1", Request::CheckpointOf(2027)),
        ("portal/1", Request::Consistency(ConsistencyWish { year: 2027, old: 1, new: 2 })),
        ("auditor/thanh-tra", Request::AuditOpen(3)),
        ("auditor/thanh-tra", Request::AuditQuery(Box::new(query))),
        ("auditor/thanh-tra", Request::Trail(Box::new(page))),
        ("operator/lan", Request::Erase(Box::new(order))),
    ];
    for (caller, request) in table {
        let is_overloaded =
            |body: &Reply| matches!(body, Reply::Failure(failure) if failure.number == ErrorNumber::Overloaded);
        for (room, expected) in [(0, true), (1, false)] {
            let scene = Scene::with_room(&format!("xacminh://dev/{caller}"), room).await;
            let (mut send, mut recv) = scene.connection.open_bi().await.unwrap();
            send.write_all(&[STREAM_SESSION]).await.unwrap();
            send.write_all(&tagged(2, request.clone())).await.unwrap();
            let (_, body) = reply(&mut recv).await;
            assert_eq!(is_overloaded(&body), expected, "{caller} with room for {room}: {request:?} {body:?}");
        }
    }
}

/// An official's certificate asks as the official, and a portal's for all of them.
#[tokio::test]
async fn a_receipt_is_asked_for_as_whom_the_certificate_names() {
    for (caller, expected) in [("portal/1", "a receipt 1 "), ("official-client/1-clerk-01", "a receipt 1 clerk-01 ")] {
        let scene = Scene::of(&format!("xacminh://dev/{caller}")).await;
        let (mut send, mut recv) = scene.connection.open_bi().await.unwrap();
        send.write_all(&[STREAM_SESSION]).await.unwrap();
        send.write_all(&tagged(3, Request::Receipt(RequestId::new(1_793_000_000_000, [1; 10])))).await.unwrap();
        let (tag, body) = reply(&mut recv).await;
        assert!(matches!(&body, Reply::Receipt(text) if text.starts_with(expected)), "{body:?}");
        assert_eq!(tag, 3);
    }
}

#[tokio::test]
async fn a_register_of_a_whole_province_fits_and_only_an_operator_may_send_so_much() {
    // Some thousand officials: more than a question's limit.
    let document = "x".repeat(1024 * 1024);
    let mut bytes = vec![STREAM_ONE];
    let request = Request::PutRegister(document.clone());
    frame::append::<OPERATOR_REQUEST_BYTES_MAX, _>(&request, &mut bytes).unwrap();
    for (caller, is_operator) in [("xacminh://dev/operator/an", true), ("xacminh://dev/portal/1", false)] {
        let scene = Scene::of(caller).await;
        let (mut send, mut recv) = scene.connection.open_bi().await.unwrap();
        let sending = tokio::spawn({
            let bytes = bytes.clone();
            // Who is refused by the length is not read any further.
            async move { send.write_all(&bytes).await.is_ok() && send.finish().is_ok() }
        });
        let body = padding::decode::<REPLY_BYTES_MAX, Reply>(&read_frame(&mut recv).await).unwrap();
        match body {
            Reply::RegisterAccepted { revision } => {
                assert_eq!((is_operator, revision), (true, 1024 * 1024));
            }
            Reply::Failure(failure) => {
                assert_eq!((is_operator, failure.number), (false, ErrorNumber::MessageTooLarge));
            }
            other => panic!("{other:?}"),
        }
        sending.abort();
    }
}

#[tokio::test]
async fn only_auditors_search_and_open_and_everybody_sees_the_tree() {
    let query = AuditQuery { dossier: Some("H17.1".to_owned()), limit: 3, ..AuditQuery::default() };
    let wish = ConsistencyWish { year: 2027, old: 1, new: 2 };
    for (caller, is_auditor) in [
        ("xacminh://dev/auditor/thanh-tra", true),
        ("xacminh://dev/portal/1", false),
        ("xacminh://dev/operator/an", false),
    ] {
        let scene = Scene::of(caller).await;
        let (mut send, mut recv) = scene.connection.open_bi().await.unwrap();
        send.write_all(&[STREAM_SESSION]).await.unwrap();
        let requests = [
            Request::AuditQuery(Box::new(query.clone())),
            Request::AuditOpen(5),
            Request::Checkpoint,
            Request::Consistency(wish),
            Request::CheckpointOf(2027),
            Request::CheckpointOf(2026),
        ];
        let mut replies = Vec::new();
        for (tag, request) in (1..).zip(requests) {
            send.write_all(&tagged(tag, request)).await.unwrap();
            let (answered, body) = reply(&mut recv).await;
            assert_eq!(answered, tag);
            replies.push(body);
        }
        let no = ErrorNumber::RoleNotAllowed;
        let denied =
            |reply: &_| matches!(reply, Reply::Failure(it) if it.number == no && it.detail.starts_with("role: "));
        assert_eq!(denied(&replies[0]), !is_auditor, "{caller}");
        if is_auditor {
            let Reply::AuditFound(found) = &replies[0] else { panic!("{:?}", replies[0]) };
            let positions: Vec<u64> = found.entries.iter().map(|entry| entry.position).collect();
            assert_eq!((positions, found.leaves, found.indexed, found.next), (vec![5, 2], 9, 8, Some(1)));
            assert!(matches!(&replies[1], Reply::Failure(failure) if failure.number == ErrorNumber::Erased));
        } else {
            assert!(denied(&replies[1]), "{caller}");
        }
        assert!(matches!(&replies[2], Reply::Checkpoint(text) if text.as_str() == CHECKPOINT));
        assert!(matches!(&replies[3], Reply::Consistency(proof) if proof.hashes == [[7; 32]]));
        assert!(matches!(&replies[4], Reply::Checkpoint(text) if text.as_str() == CHECKPOINT));
        assert!(matches!(&replies[5], Reply::Failure(failure) if failure.number == ErrorNumber::RequestUnknown));
    }
}

/// A trail is for auditors and citizen services, an erasure for operators, and a number is a number.
#[tokio::test]
async fn trails_and_erasures_are_for_their_roles() {
    let number = "048090000001".to_owned();
    let trail = |number: &str| Request::Trail(Box::new(TrailPage { number: number.to_owned(), at: 0, from: 7 }));
    let erase = |ground: &str| {
        let (ground, ordered_by) = (ground.to_owned(), "QĐ 12".to_owned());
        Request::Erase(Box::new(ErasureOrder { number: number.clone(), ground, ordered_by }))
    };
    let denied = Err(ErrorNumber::RoleNotAllowed);
    for (caller, trails, erasures) in [
        ("xacminh://dev/portal/1", denied, denied),
        ("xacminh://dev/official-client/1-clerk-01", denied, denied),
        ("xacminh://dev/operator/lan", denied, Ok(41)),
        ("xacminh://dev/auditor/thanh-tra", Ok(7), denied),
        ("xacminh://dev/citizen-service/cong-dan", Ok(7), denied),
    ] {
        let scene = Scene::of(caller).await;
        assert_eq!(scene.exchange(trail(&number)).await, trails, "{caller}");
        assert_eq!(scene.exchange(erase("Luật 91/2025")).await, erasures, "{caller}");
        if trails.is_ok() {
            assert_eq!(scene.exchange(trail("48090000001")).await, Err(ErrorNumber::BadNumber), "{caller}");
        }
        if erasures.is_ok() {
            assert_eq!(scene.exchange(erase(" ")).await, Err(ErrorNumber::MalformedMessage), "{caller}");
        }
    }
}

impl Scene {
    /// One request on a stream of its own: a number out of the reply, or why not.
    async fn exchange(&self, request: Request) -> Result<u64, ErrorNumber> {
        match self.ask_one(request).await {
            Reply::Trail(part) => Ok(part.from),
            Reply::Erased { position } => Ok(position),
            Reply::Failure(failure) => Err(failure.number),
            other => panic!("{other:?}"),
        }
    }

    /// One request on a stream of its own.
    pub(super) async fn ask_one(&self, request: Request) -> Reply {
        let mut bytes = vec![STREAM_ONE];
        frame::append::<REQUEST_BYTES_MAX, _>(&request, &mut bytes).unwrap();
        let (mut send, mut recv) = self.connection.open_bi().await.unwrap();
        send.write_all(&bytes).await.unwrap();
        send.finish().unwrap();
        padding::decode::<REPLY_BYTES_MAX, Reply>(&read_frame(&mut recv).await).unwrap()
    }
}
