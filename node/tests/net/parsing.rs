//! What the door makes of names, dates and places: a question in which no field can be wrong, or an error of its own.

use xacminh_proto::{
    vocab::{AsOf, BirthDate, Claim, Date, ErrorNumber, FullName, Place, ResidenceKind},
    wire::{Reply, Request},
};

use super::serving::{Scene, ask};

#[tokio::test]
async fn a_province_of_before_july_2025_needs_its_day_and_is_never_denied() {
    let scene = Scene::new().await;
    let table = [
        (48, None, None, None),
        (49, None, None, Some("claims.residence.province")),
        (60, None, None, Some("claims.residence.province")),
        (49, None, Some(("2024-12-31", None)), None),
        (49, Some(20_398), Some(("2024-12-31", Some(503))), None),
        (49, Some(20_398), Some(("2024-12-31", Some(502))), Some("claims.residence.commune")),
        (49, None, Some(("2026-01-01", None)), Some("claims.residence.province")),
        (48, None, Some(("2026-01-01", Some(503))), Some("claims.residence.district")),
        (48, None, Some(("2099-01-01", None)), Some("claims.residence.as_of")),
    ];
    for (code, commune, as_of, wrong) in table {
        let place = Place::new(code, commune).expect("codes in bounds");
        let as_of = as_of.map(|(on, district)| AsOf::new(Date::parse(on).unwrap(), district).unwrap());
        let number =
            if wrong == Some("claims.residence.as_of") { ErrorNumber::DateInFuture } else { ErrorNumber::BadPlace };
        let claim = Claim::Residence { kind: ResidenceKind::Permanent, place, as_of, detail: None };
        let body = scene.ask_one(ask("H17", claim)).await;
        match (&body, wrong) {
            (Reply::Answer(_), None) => {}
            (Reply::Failure(failure), Some(field)) => assert_eq!((failure.number, &*failure.detail), (number, field)),
            _ => panic!("{code} {commune:?}: {body:?}"),
        }
    }
}

/// Names and dates that are none: each is sent back with its own number and the field, and never what was typed.
#[tokio::test]
async fn names_and_dates_that_are_none_are_sent_back_by_field() {
    let scene = Scene::new().await;
    let flood = format!("Nguyễn Văn A{}", "\u{301}".repeat(60));
    let table = [
        ("name", "Thử", None),
        ("name", "Tôn Nữ Nguyễn Thị Hoàng Quỳnh Bảo Trân", None),
        ("name", "Nguyễn Văn 2", Some(ErrorNumber::BadName)),
        ("name", "Nguyễn Văn 😀", Some(ErrorNumber::BadName)),
        ("name", "Nguyễn Văn Аn", Some(ErrorNumber::BadName)),
        ("name", &flood, Some(ErrorNumber::BadName)),
        ("name", "Nguyễn \u{202e}Văn An", Some(ErrorNumber::BadName)),
        ("name", "", Some(ErrorNumber::BadName)),
        ("name", "Nguyeãn Vaên Thöû", Some(ErrorNumber::NameEncoding)),
        ("name", "NguyÔn V¨n Thö", Some(ErrorNumber::NameEncoding)),
        ("birth", "31/02/1990", Some(ErrorNumber::BadDate)),
        ("birth", "0000", Some(ErrorNumber::BadDate)),
        ("birth", "0000-01-01", Some(ErrorNumber::BadDate)),
        ("birth", "2099-01-01", Some(ErrorNumber::DateInFuture)),
        ("birth", "2099", Some(ErrorNumber::DateInFuture)),
    ];
    for (field, typed, wrong) in table {
        let Request::Ask(mut asked) = ask("H17", Claim::HeadOfHousehold) else { unreachable!("a question") };
        let slot = if field == "name" { &mut asked.name } else { &mut asked.birth };
        typed.clone_into(slot);
        match (scene.ask_one(Request::Ask(asked)).await, wrong) {
            (Reply::Answer(_), None) => {}
            (Reply::Failure(failure), Some(number)) => {
                assert_eq!((failure.number, &*failure.detail), (number, field), "{typed:?}");
            }
            (body, _) => panic!("{typed:?}: {body:?}"),
        }
    }
    let day = |text| Date::parse(text).unwrap();
    for (claim, field) in [
        (Claim::BirthDate(BirthDate::Day(day("2099-01-01"))), "claims.birth_date"),
        (Claim::CardIssued(day("2099-01-01")), "claims.card_issued"),
        (Claim::FullName(FullName::parse("Nguyeãn Vaên Thöû").unwrap()), "claims.full_name"),
    ] {
        let number = if field == "claims.full_name" { ErrorNumber::NameEncoding } else { ErrorNumber::DateInFuture };
        let body = scene.ask_one(ask("H17", claim)).await;
        let Reply::Failure(failure) = body else { panic!("{field}: {body:?}") };
        assert_eq!((failure.number, &*failure.detail), (number, field));
    }
}
