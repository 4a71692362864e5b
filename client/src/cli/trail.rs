//! `xacminh audit trail`: who asked about one person, verified before it is shown.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Subcommand};
use serde_json::json;
use xacminh_proto::{
    transparency::{
        LeafVerdict, Policy,
        trail::{Access, TRAIL_BYTES_MAX, TrailProof, VerifiedTrail},
    },
    vocab::PersonNumber,
    wire::TrailGloss,
};

use super::{
    config::GlobalArgs,
    exit::{CliError, Exit},
    question::number_or_env,
    receipt::{bytes, name_of, place},
    report::moment,
    screen::{Lang, Screen, table},
};

/// Who asked about one person (role auditor or citizen-service), or a trail that was kept in a file
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct TrailArgs {
    #[command(subcommand)]
    what: Option<TrailCommand>,
    /// The person's number; each number a person was asked about under has a trail of its own; `-` reads it from standard
    /// input [default: $XACMINH_NUMBER]
    #[arg(long)]
    number: Option<String>,
    /// Keep the trail in this new file, for `verify`; `-` is standard output, and the table goes to standard error then
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum TrailCommand {
    /// Verify a trail in a file, without a network
    Verify {
        /// The trail; `-` reads standard input
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

/// Runs `audit trail` or `audit trail verify`.
pub(super) async fn run(global: &GlobalArgs, args: TrailArgs, deadline: Duration) -> Result<Exit, CliError> {
    let mut screen = global.screen();
    let policy = global.trust()?;
    if let Some(TrailCommand::Verify { file }) = args.what {
        let verified = verified(&bytes(&file, TRAIL_BYTES_MAX)?, &policy, &name_of(&file))?;
        return show(screen, &verified, &[]);
    }
    let typed = number_or_env(args.number)?;
    let number = PersonNumber::parse(&typed).map_err(|error| CliError::Usage(format!("--number: {error}")))?;
    // Before anything is asked: each reading is logged, and what is read must not be lost.
    let place = args.out.as_deref().map(place).transpose()?;
    let client = global.client().await?;
    let fetched = client.trail(&typed, deadline).await;
    client.close().await;
    let fetched = fetched?;
    if fetched.count == 0 {
        return nothing(screen);
    }
    let verified = verified(fetched.text.as_bytes(), &policy, "trail")?;
    // A sound trail of somebody else answers another question.
    if verified.subject.is_some_and(|subject| subject != number) {
        return Err(CliError::Internal("the node gave the trail of another person".into()));
    }
    if let Some(place) = place {
        screen = screen.beside(&place);
        place.write(fetched.text.as_bytes())?;
    }
    show(screen, &verified, &fetched.glosses)
}

fn verified(bytes: &[u8], policy: &Policy, path: &str) -> Result<VerifiedTrail, CliError> {
    TrailProof::parse(bytes)
        .and_then(|trail| trail.verify(policy))
        .map_err(|fault| CliError::Trail { path: path.to_owned(), fault })
}

fn nothing(screen: Screen) -> Result<Exit, CliError> {
    if screen.json {
        screen.json(&json!({ "verifies": false, "count": 0, "accesses": [] }))?;
    } else {
        screen.line(screen.lang.say(
            "Không có lượt truy cập nào được ghi nhận với số này (hoặc không có từ lần xoá gần nhất); điều này không có chữ ký.",
            "Nobody asked about this number, or nobody since it was erased; nothing signed says so.",
        ))?;
    }
    Ok(Exit::Good)
}

fn show(screen: Screen, trail: &VerifiedTrail, glosses: &[Option<TrailGloss>]) -> Result<Exit, CliError> {
    let gloss = |place: usize| glosses.get(place).and_then(Option::as_ref);
    if screen.json {
        let accesses = trail.accesses.iter().enumerate();
        let accesses: Vec<_> = accesses.map(|(place, access)| access_json(access, gloss(place))).collect();
        let subject = trail.subject.as_ref().map(String::from);
        let end = &trail.end;
        screen.json(&json!({
            "verifies": true, "origin": end.origin, "size": end.size, "count": end.count,
            "withheld": end.withheld.map_or(0, |(count, _)| count), "subject": subject, "accesses": accesses,
            "cosigned": trail.is_cosigned,
        }))?;
        return Ok(Exit::Good);
    }
    let lang = screen.lang;
    let head = [
        lang.say("thời điểm", "when"),
        lang.say("cổng", "portal"),
        lang.say("cán bộ", "official"),
        lang.say("thủ tục", "procedure"),
        lang.say("kết quả", "outcome"),
        lang.say("công dân thấy từ", "hidden until"),
        lang.say("vị trí", "place"),
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(trail.accesses.iter().enumerate().map(|(place, access)| row(lang, access, gloss(place))));
    for line in table(&rows) {
        screen.line(&line)?;
    }
    let end = &trail.end;
    let said = match lang {
        Lang::Vi => format!(
            "Đã kiểm chứng: {} lượt truy cập, không thiếu lượt nào đến mục {} của {}.",
            end.count, end.size, end.origin
        ),
        Lang::En => {
            format!("Verified: {} accesses, and none left out up to entry {} of {}.", end.count, end.size, end.origin)
        }
    };
    screen.line(&said)?;
    if !trail.is_cosigned {
        screen.note(lang.say(
            "chưa có nhân chứng đồng ký đầu nhật ký của bản này; chỉ có chữ ký của nhật ký",
            "no witnesses have cosigned the heads of this trail yet: it holds on the word of the log alone",
        ));
    }
    Ok(Exit::Good)
}

fn row(lang: Lang, access: &Access, gloss: Option<&TrailGloss>) -> Vec<String> {
    match access {
        Access::Withheld(until) => {
            let hidden = lang.say("chưa được xem", "not to be seen yet").to_owned();
            vec![hidden, String::new(), String::new(), String::new(), String::new(), until.to_string(), String::new()]
        }
        Access::Pruned { origin, index } => {
            let gone = lang.say("không còn lưu", "no longer kept").to_owned();
            let place = at(lang, origin, *index);
            vec![gone, String::new(), String::new(), String::new(), String::new(), String::new(), place]
        }
        Access::Shown { origin, index, leaf, .. } => {
            let named = |name: &str, number: u64| if name.is_empty() { number.to_string() } else { name.to_owned() };
            let procedure = gloss.map(|gloss| {
                let name = lang.say(&gloss.procedure_vi, &gloss.procedure_en);
                format!("{} {name}", gloss.procedure).trim().to_owned()
            });
            vec![
                moment(leaf.time_ms),
                named(gloss.map_or("", |gloss| &gloss.portal), u64::from(leaf.portal.0)),
                gloss.and_then(|gloss| gloss.official.clone()).unwrap_or_default(),
                named(&procedure.unwrap_or_default(), u64::from(leaf.procedure)),
                outcome(lang, leaf.verdict).to_owned(),
                gloss.and_then(|gloss| gloss.delayed_until).map(|day| day.to_string()).unwrap_or_default(),
                at(lang, origin, *index),
            ]
        }
    }
}

/// Where in which year's log an access is.
fn at(lang: Lang, origin: &str, index: u64) -> String {
    let year = origin.rsplit('/').next().unwrap_or_default();
    format!("{} {index} {} {year}", lang.say("mục", "entry"), lang.say("năm", "of"))
}

fn access_json(access: &Access, gloss: Option<&TrailGloss>) -> serde_json::Value {
    match access {
        Access::Withheld(until) => json!({ "withheld_until": until.to_string() }),
        Access::Pruned { origin, index } => json!({ "pruned": true, "origin": origin, "index": index }),
        Access::Shown { origin, index, leaf, .. } => json!({
            "at_ms": leaf.time_ms, "origin": origin, "index": index, "portal": leaf.portal.0,
            "portal_name": gloss.map(|gloss| &gloss.portal), "procedure_number": leaf.procedure,
            "procedure": gloss.map(|gloss| &gloss.procedure), "official": gloss.and_then(|gloss| gloss.official.as_ref()),
            "verdict": outcome(Lang::En, leaf.verdict), "request_id": leaf.request_id.to_string(),
            "delayed_until": gloss.and_then(|gloss| gloss.delayed_until).map(|day| day.to_string()),
        }),
    }
}

fn outcome(lang: Lang, verdict: LeafVerdict) -> &'static str {
    match verdict {
        LeafVerdict::None => "-",
        LeafVerdict::Match => lang.say("khớp", "match"),
        LeafVerdict::NoMatch => lang.say("không khớp", "no match"),
        LeafVerdict::Undetermined => lang.say("không xác định được", "cannot tell"),
        LeafVerdict::Refused => lang.say("từ chối", "refused"),
    }
}
