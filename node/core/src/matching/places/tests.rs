//! Tables of claimed and recorded places.

use xacminh_proto::vocab::Date;

use super::*;

/// "48" or "48/20194"; "49/503/20410 @2024-12-31" or "49/503/- @2024-12-31" as of a day.
fn place(text: &str) -> (Place, Option<AsOf>) {
    let (codes, day) = text.split_once('@').map_or((text, None), |(codes, day)| (codes, Some(day)));
    let codes: Vec<&str> = codes.trim().split('/').collect();
    let number = |code: &&str| (*code != "-").then(|| code.parse::<u32>().expect("a code"));
    let (district, commune) = match codes[..] {
        [_, commune] => (None, number(&commune)),
        [_, district, commune] => (number(&district), number(&commune)),
        _ => (None, None),
    };
    let as_of = day.map(|day| {
        let district = district.map(|code| u16::try_from(code).expect("a district"));
        AsOf::new(Date::parse(day).expect("a day"), district).expect("codes in bounds")
    });
    (Place::new(codes[0].parse().expect("a province code"), commune).expect("a place"), as_of)
}

/// "48/20194 <20195": of today, and the commune's code of before July 2025 that the authority still carries.
fn address(text: &str, detail: &str) -> Option<Address> {
    let (today, then) = text.split_once('<').map_or((text, None), |(today, then)| (today, Some(then)));
    let commune_before_2025 = then.map(|code| code.trim().parse().expect("a commune code"));
    (text != "-").then(|| Address { place: place(today.trim()).0, detail: detail.to_owned(), commune_before_2025 })
}

fn check_table(table: &str) {
    for row in table.lines().filter(|line| !line.trim().is_empty() && !line.trim().starts_with('#')) {
        let [claimed, street, recorded, recorded_street, ruling] =
            row.split('|').map(str::trim).collect::<Vec<_>>()[..]
        else {
            panic!("a row has five columns: {row}")
        };
        let (claimed, as_of) = place(claimed);
        assert_eq!(check(claimed, as_of), Ok(()), "the door lets it in: {row}");
        let recorded = address(recorded, recorded_street);
        let found = claim(claimed, as_of, (street != "-").then_some(street), recorded.as_ref());
        assert_eq!(format!("{:?} {:?}", found.verdict, found.reason), ruling, "{row}");
    }
}

/// claimed place | claimed street | recorded place | recorded street | ruling
#[test]
fn places_of_today() {
    check_table(
        "
        48       | -                  | 48/20194 | 12 Lê Lợi           | Match Equal
        48/20194 | -                  | 48/20194 | 12 Lê Lợi           | Match Equal
        48/20194 | 12 Lê Lợi          | 48/20194 | 12 Lê Lợi           | Match Equal
        48/20194 | 12  LÊ LỢI         | 48/20194 | 12 Lê Lợi           | Match EqualFolded
        48/20194 | Số 12 Lê Lợi       | 48/20194 | 12 Lê Lợi           | NoMatch OtherDetail
        48/20194 | 12/3 Lê Lợi        | 48/20194 | 123 Lê Lợi          | NoMatch OtherDetail
        48/20194 | Tổ 5, Hòa Khánh    | 48/20194 | tổ 5 hòa khánh      | Match EqualFolded
        48/20194 | Tổ 5 Hoa Khanh     | 48/20194 | tổ 5 hòa khánh      | NoMatch OtherDetail
        48       | 12 Lê Lợi          | 48/20194 | 12 Lê Lợi           | Match Equal
        48/20197 | 12 Lê Lợi          | 48/20194 | 12 Lê Lợi           | NoMatch OtherCommune
        46       | 12 Lê Lợi          | 48/20194 | 12 Lê Lợi           | NoMatch ElsewherePlace
        48/20194 | -                  | 48       | 12 Lê Lợi           | Undetermined(NotRecorded) NothingRecorded
        48/20194 | 12 Lê Lợi          | 48/20194 |                     | Undetermined(NotRecorded) NothingRecorded
        48/20194 | 12 Lê Lợi          | 48/20194 | ,                   | Undetermined(NotRecorded) NothingRecorded
        48       | -                  | -        |                     | Undetermined(NotRecorded) NothingRecorded
        # a day of the present administration changes nothing; Đồng Nai was a province then and is a city
        48/20194 @2026-01-31 | -      | 48/20194 |                     | Match Equal
        75 @2025-12-31 | -            | 75       |                     | Match Equal
        75 @2026-05-01 | -            | 75       |                     | Match Equal
    ",
    );
}

/// A place of 2024 is the place it became, with a note; how near one comes depends on what the record carries of then.
#[test]
fn places_of_before_july_2025() {
    check_table(
        "
        # Minh An in Hội An, Quảng Nam, is today in the ward of Hội An, Đà Nẵng: three levels, and two
        49/503/20398 @2024-12-31 | - | 48/20410        | | Match SuccessorPlace
        49/503/20398 @2024-12-31 | - | 48/20410 <20398 | | Match SuccessorPlace
        49/503/-     @2024-12-31 | - | 48/20410        | | Match SuccessorPlace
        49/20398     @2024-12-31 | - | 48/20410        | | Match SuccessorPlace
        49           @2024-12-31 | - | 48/20410        | | Match SuccessorPlace
        49           @2024-12-31 | - | 48              | | Match SuccessorPlace
        # the record carries another commune of then, of the same ward of today
        49/503/20398 @2024-12-31 | - | 48/20410 <20404 | | NoMatch OtherCommune
        49/503/-     @2024-12-31 | - | 48/20410 <20404 | | Match SuccessorPlace
        49/503/20413 @2024-12-31 | - | 48/20410        | | NoMatch OtherCommune
        49/502/-     @2024-12-31 | - | 48/20410        | | NoMatch OtherCommune
        # Quảng Nam and Đà Nẵng are one province today and were two
        49           @2024-12-31 | - | 48/20194        | | NoMatch ElsewherePlace
        48           @2024-12-31 | - | 48/20410        | | NoMatch ElsewherePlace
        48           @2024-12-31 | - | 48/20194        | | Match SuccessorPlace
        # of a divided commune each part is its successor
        48/497/20296 @2024-12-31 | - | 48/20194        | | Match SuccessorPlace
        48/497/20296 @2024-12-31 | - | 48/20197        | | Match SuccessorPlace
        # the record says less than the claim, or the table does not know the commune
        49/503/20398 @2024-12-31 | - | 48              | | Undetermined(NotRecorded) NothingRecorded
        49/99999     @2010-05-01 | - | 48/20410        | | Undetermined(NotRecorded) NothingRecorded
        49/99999     @2010-05-01 | - | 48/20410 <99999 | | Match SuccessorPlace
        49           @2024-12-31 | - | 79              | | NoMatch ElsewherePlace
        49           @2024-12-31 | - | -               | | Undetermined(NotRecorded) NothingRecorded
        # Huế got its name on 1 January 2025 and nothing else changed; Cao Bằng did not change at all
        46           @2024-12-31 | - | 46              | | Match SuccessorPlace
        46           @2025-01-01 | - | 46              | | Match SuccessorPlace
        4            @2024-12-31 | - | 4               | | Match SuccessorPlace
        # the street is compared too
        49/503/20398 @2024-12-31 | 5 Trần Phú | 48/20410 | 5 Trần Phú  | Match SuccessorPlace
        49/503/20398 @2024-12-31 | 5 TRẦN PHÚ | 48/20410 | 5 Trần Phú  | Match SuccessorPlace
        49/503/20398 @2024-12-31 | 7 Trần Phú | 48/20410 | 5 Trần Phú  | NoMatch OtherDetail
        49/503/20398 @2024-12-31 | 7 Trần Phú | 48/20410 |             | Undetermined(NotRecorded) NothingRecorded
    ",
    );
}

/// The codes that kept their digits on 1 July 2025 and changed their meaning, and who got them from whom.
/// Huế (46) was renamed and has the same borders; it has its rows above.
const TRAPS: [(u8, &str, &str); 7] = [
    (15, "Yên Bái", "Lào Cai"),
    (24, "Bắc Giang", "Bắc Ninh"),
    (44, "Quảng Bình", "Quảng Trị"),
    (52, "Bình Định", "Gia Lai"),
    (80, "Long An", "Tây Ninh"),
    (82, "Tiền Giang", "Đồng Tháp"),
    (91, "Kiên Giang", "An Giang"),
];

#[test]
fn equal_digits_of_two_times_prove_nothing() {
    let table = Geography::shipped();
    let eve = Date::parse("2024-12-31").expect("a day");
    for (code, then, now) in TRAPS {
        let claimed = Place::of_province(code).expect("a code");
        let as_of = Some(AsOf::new(eve, None).expect("a day"));
        let ruling = |commune: Option<u32>| {
            let place = Place::new(code, commune).expect("codes");
            claim(claimed, as_of, None, Some(&Address { place, detail: String::new(), commune_before_2025: None }))
        };
        assert_eq!(ruling(None), Finding::NOT_RECORDED, "{then} is not {now} by its digits");
        let mut told = [0, 0];
        for commune in (1..=99_999).filter(|commune| table.province_of(*commune) == Some(code)) {
            let lay_there = table.made_from(commune).any(|former| former.province == code);
            let is_known = table.made_from(commune).next().is_some();
            let expected = match (is_known, lay_there) {
                (false, _) => Finding::NOT_RECORDED,
                (true, true) => Finding::yes(Reason::SuccessorPlace),
                (true, false) => Finding::no(Reason::ElsewherePlace),
            };
            assert_eq!(ruling(Some(commune)), expected, "{commune} of {now}, claimed as {then}");
            told[usize::from(lay_there)] += 1;
        }
        assert!(told.iter().all(|count| *count > 10), "both halves of {now} were tried: {told:?}");
    }
}

#[test]
fn the_code_of_before_2025_proves_nothing_today() {
    let address = Address { place: place("48/20194").0, detail: String::new(), commune_before_2025: Some(20_410) };
    assert_eq!(claim(place("48/20410").0, None, None, Some(&address)), Finding::no(Reason::OtherCommune));
}

/// claimed place | what the door says
const DOOR: &str = "
    48                       | let in
    48/20410                 | let in
    49                       | Province
    60                       | Province
    3                        | Province
    3 @2024-12-31            | Province
    49 @2024-12-31           | let in
    49 @2025-07-01           | Province
    49 @2000-01-01           | Province
    49/503/20398 @2024-12-31 | let in
    49/502/20398 @2024-12-31 | Commune
    48/503/20398 @2024-12-31 | Commune
    49/99999 @2024-12-31     | let in
    48/20194 @2024-12-31     | let in
    46/20194                 | Commune
    48/503/- @2025-07-01     | District
    48/99999                 | let in
";

#[test]
fn what_was_no_place_on_its_day_is_told_at_the_door() {
    for row in DOOR.lines().filter(|line| !line.trim().is_empty()) {
        let [claimed, told] = row.split('|').map(str::trim).collect::<Vec<_>>()[..] else {
            panic!("a row has two columns: {row}")
        };
        let (claimed, as_of) = place(claimed);
        let found = check(claimed, as_of).map_or_else(|fault| format!("{fault:?}"), |()| "let in".to_owned());
        assert_eq!(found, told, "{row}");
    }
}
