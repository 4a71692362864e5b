//! A register by itself: whether it is one, and what its author may not have meant.

use std::path::Path;

use serde_json::json;
use xacminh_core::register::Register;

use super::{CliError, Exit, read};
use crate::{
    cli::screen::{Lang, Screen},
    clock::unix_ms,
};

/// Something sound that its author may not have meant.
#[derive(Debug, PartialEq, Eq)]
struct Remark {
    kind: &'static str,
    about: String,
    vi: &'static str,
    en: &'static str,
}

pub(super) fn check(screen: Screen, file: &Path) -> Result<Exit, CliError> {
    let register = read(file)?.register;
    let remarks = remarks(&register, unix_ms());
    let (portals, procedures) = (register.portals().count(), register.procedures().count());
    if screen.json {
        let remarks: Vec<_> = remarks
            .iter()
            .map(|Remark { kind, about, en, vi }| json!({"kind": kind, "about": about, "en": en, "vi": vi}))
            .collect();
        screen.json(&json!({
            "revision": register.revision,
            "portals": portals,
            "officials": register.officials(),
            "procedures": procedures,
            "remarks": remarks,
        }))?;
        return Ok(Exit::Good);
    }
    let lang = screen.lang;
    screen.line(&format!(
        "{} {}: {portals} {}, {} {}, {procedures} {}",
        lang.say("đúng: bản", "sound: revision"),
        register.revision,
        lang.say("cổng", "portals"),
        register.officials(),
        lang.say("cán bộ", "officials"),
        lang.say("thủ tục", "procedures"),
    ))?;
    for Remark { about, vi, en, .. } in &remarks {
        screen.line(&format!(
            "  {about}: {}",
            match lang {
                Lang::Vi => vi,
                Lang::En => en,
            }
        ))?;
    }
    Ok(Exit::Good)
}

fn remarks(register: &Register, now_ms: u64) -> Vec<Remark> {
    let mut remarks = Vec::new();
    let mut remark = |kind, about, vi, en| remarks.push(Remark { kind, about, vi, en });
    for procedure in register.procedures() {
        let users = || register.portals().filter(|portal| portal.may_use(procedure));
        let code = || procedure.code.to_string();
        if procedure.example && users().next().is_some() {
            remark(
                "example",
                code(),
                "mã chưa có nguồn xác nhận mà đã được giao",
                "granted, and no source confirms its code",
            );
        }
        // A catalogue declares no portal: nothing is used, and nothing is meant to be.
        if register.portals().next().is_some() && users().next().is_none() {
            remark("unused", code(), "chưa giao cho cổng nào", "granted to no portal");
        }
        for portal in users().filter(|portal| portal.until_ms(procedure).is_some_and(|ms| ms <= now_ms)) {
            let about = format!("{} / {}", portal.id.0, code());
            remark("ended", about, "đã hết thời hạn giao cho cổng", "the grant to the portal has ended");
        }
    }
    for portal in register.portals() {
        for official in portal.officials() {
            let mut granted = register.procedures().filter(|procedure| portal.granted(official, procedure)).peekable();
            let about = || format!("{} / {}", portal.id.0, official.as_str());
            if granted.peek().is_none() {
                remark("idle", about(), "không được dùng thủ tục nào", "may use no procedure");
            } else if granted.all(|procedure| {
                portal.granted_until_ms(official, procedure).is_some_and(|until_ms| until_ms <= now_ms)
            }) {
                remark(
                    "ended",
                    about(),
                    "mọi thời hạn giao cho cán bộ đã hết",
                    "every grant to the official has ended",
                );
            }
        }
    }
    remarks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_not_have_been_meant_is_told() {
        let register = Register::parse(
            r#"
[register]
revision = 1
[[portal]]
id = 1
name = "x"
procedures = ["a", { code = "b", until = "2020-01-01" }]
[[official]]
id = "late"
portal = 1
procedures = ["*"]
until = "2020-01-01"
[[official]]
id = "idle"
portal = 1
procedures = []
[[official]]
id = "fine"
portal = 1
procedures = ["*"]
[[procedure]]
id = 1
code = "a"
name_vi = "x"
name_en = "x"
purpose = 1
max_age_s = { identity = 1 }
name_threshold = "exact"
example = true
[[procedure]]
id = 2
code = "b"
name_vi = "x"
name_en = "x"
like = "a"
[[procedure]]
id = 3
code = "c"
name_vi = "x"
name_en = "x"
like = "a"
"#,
        )
        .expect("sound");
        let told: Vec<_> = remarks(&register, 1_800_000_000_000)
            .into_iter()
            .map(|remark| format!("{} {}", remark.kind, remark.about))
            .collect();
        assert_eq!(told, ["example a", "ended 1 / b", "unused c", "idle 1 / idle", "ended 1 / late"]);
        let before = remarks(&register, 1_500_000_000_000);
        assert!(before.iter().all(|remark| remark.kind != "ended"));
    }
}
