//! Who gains and loses what between two registers.

use serde_json::json;
use xacminh_core::register::{self, Difference, Party, Register, Turn};

use super::{CliError, Exit};
use crate::cli::screen::{Lang, Screen};

pub(super) fn diff(screen: Screen, old: &Register, new: &Register) -> Result<Exit, CliError> {
    let differences = register::diff(old, new);
    if screen.json {
        let differences: Vec<_> = differences.iter().map(json_of).collect();
        screen
            .json(&json!({"old_revision": old.revision, "new_revision": new.revision, "differences": differences}))?;
        return Ok(Exit::Good);
    }
    let lang = screen.lang;
    screen.line(&format!("{} {} → {}", lang.say("bản", "revision"), old.revision, new.revision))?;
    if differences.is_empty() {
        screen.line(lang.say("không ai được thêm hay mất gì", "nobody gains or loses anything"))?;
    }
    let mut party = None;
    for difference in &differences {
        if party != Some(&difference.party) {
            party = Some(&difference.party);
            screen.line(&title(&difference.party, lang))?;
        }
        let sign = match difference.turn {
            Turn::Gains => '+',
            Turn::Loses => '-',
            Turn::Changes => '~',
        };
        screen.line(&format!("  {sign} {}: {}", word(difference.what, lang), difference.detail))?;
    }
    Ok(Exit::Good)
}

fn title(party: &Party, lang: Lang) -> String {
    match party {
        Party::Everybody => lang.say("mọi người", "everybody").to_owned(),
        Party::Portal(id) => format!("{} {id}", lang.say("cổng", "portal")),
        Party::Official(portal, id) => {
            format!("{} {id} ({} {portal})", lang.say("cán bộ", "official"), lang.say("cổng", "portal"))
        }
        Party::Procedure(code) => format!("{} {code}", lang.say("thủ tục", "procedure")),
    }
}

fn word(what: &str, lang: Lang) -> &str {
    match what {
        "declared" => lang.say("khai báo", "declared"),
        "suspended" => lang.say("tạm dừng", "suspended"),
        "procedure" => lang.say("thủ tục", "procedure"),
        "until" => lang.say("ngày cuối", "last day"),
        "limit" => lang.say("hạn mức", "limit"),
        "enrolled" => lang.say("đăng ký cán bộ", "enrolled"),
        "claim" => lang.say("nội dung xác minh", "claim"),
        "attribute" => lang.say("thông tin khai thác", "attribute"),
        "max_age" => lang.say("tuổi dữ liệu tối đa", "oldest data"),
        "threshold" => lang.say("ngưỡng so họ tên", "name threshold"),
        "visibility" => lang.say("công dân thấy", "citizen sees"),
        "values" => lang.say("giá trị được đưa ra", "values"),
        "number" => lang.say("số trong nhật ký", "number in the log"),
        "name" => lang.say("tên", "name"),
        "purpose" => lang.say("mục đích", "purpose"),
        "example" => lang.say("mã ví dụ", "example"),
        "retention" => lang.say("giữ mục kiểm toán", "entries kept"),
        other => other,
    }
}

fn json_of(difference: &Difference) -> serde_json::Value {
    let Difference { party, turn, what, detail } = difference;
    let turn = match turn {
        Turn::Gains => "gains",
        Turn::Loses => "loses",
        Turn::Changes => "changes",
    };
    let (portal, official, procedure) = match party {
        Party::Everybody => (None, None, None),
        Party::Portal(id) => (Some(*id), None, None),
        Party::Official(portal, id) => (Some(*portal), Some(id.as_str()), None),
        Party::Procedure(code) => (None, None, Some(code.as_str())),
    };
    json!({"portal": portal, "official": official, "procedure": procedure, "turn": turn, "what": what, "detail": detail})
}
