//! The table a lawyer can read, and what holds of any two names.

use proptest::prelude::*;
use xacminh_proto::vocab::Verdict;

use super::*;

fn name(text: &str) -> FullName {
    FullName::parse(text).unwrap_or_else(|error| panic!("{text:?}: {error}"))
}

/// asked | recorded | classes of difference | accepted by default | why
const RULINGS: &str = "
    # the same name
    Nguyễn Văn An        | Nguyễn Văn An        | Same              | yes | equal
    Nguye\u{302}\u{303}n Văn An | Nguyễn Văn An  | Same              | yes | another Unicode form
    Nguyễn   Văn  An     | Nguyễn Văn An        | Same              | yes | spaces
    NGUYỄN VĂN AN        | Nguyễn Văn An        | Folded            | yes | cards print upper case
    đặng thị đào         | ĐẶNG THỊ ĐÀO         | Folded            | yes | case
    Ðặng Thị Đào         | Đặng Thị Đào         | Folded            | yes | the Icelandic Ð of old keyboards
    NguyễnVăn An         | Nguyễn Văn An        | Folded            | yes | a space left out; no syllable is nguyễnvăn
    H’Hen Niê            | H'Hen Niê            | Folded            | yes | another apostrophe
    H Hen Niê            | H'Hen Niê            | Folded            | yes | a space for the apostrophe
    Ksor Krơn Hlơi       | Ksor-Krơn Hlơi       | Folded            | yes | a space for the hyphen
    A Lăng Nhơ           | Alăng Nhơ            | Folded            | yes | both are written; no syllable is alăng
    y bhăm êban          | Y Bhăm Êban          | Folded            | yes | case

    # the other correct spelling of it
    Trần Thị Hòa         | Trần Thị Hoà         | TonePlacement     | yes | the mark may stand on either vowel of oa
    Trần Thị Khỏe        | Trần Thị Khoẻ        | TonePlacement     | yes | the same of oe
    Lê Thúy Thuý         | Lê Thuý Thúy         | TonePlacement     | yes | the same of uy
    Võ Quý               | Võ Qúy               | TonePlacement     | yes | the same after q
    Trần Hòang           | Trần Hoàng           | OtherDiacritics   | no  | in a closed syllable the place is not free
    Trần Nghiã           | Trần Nghĩa           | OtherDiacritics   | no  | nor in ia
    Trần Hóa             | Trần Hoà             | OtherDiacritics   | no  | another tone
    Trần Văn Lí          | Trần Văn Lý          | IAndY             | yes | ly and li are one
    Trần Thị Mĩ          | Trần Thị Mỹ          | IAndY             | yes | my and mi
    Nguyễn Quí           | Nguyễn Quý           | IAndY             | yes | quy and qui
    Nguyễn Qúi           | Nguyễn Quý           | TonePlacement IAndY | yes | both at once
    Đỗ Như Í             | Đỗ Như Ý             | IAndY             | yes | the rhyme is the whole word
    TRẦN HOÀ LÍ          | Trần Hòa Lý          | TonePlacement IAndY | yes | case too
    Lê Thị Vi            | Lê Thị Vy            | Regional          | no  | Vi and Vy are two names
    Lê Anh Thi           | Lê Anh Thy           | Regional          | no  | Thi and Thy are two names
    Lê Thị Thúi          | Lê Thị Thúy          | Different         | no  | ui is another rhyme
    Lê Văn Hảy           | Lê Văn Hải           | Different         | no  | so is ay
    I Bhăm Niê           | Y Bhăm Niê           | MinorityForm      | no  | Y stands for a man's name and is no rhyme

    # without diacritics: accepted only where the procedure says that unsigned input is normal
    NGUYEN VAN DUNG      | Nguyễn Văn Dũng      | Unsigned          | no  | fits Dũng, Dụng and Dung
    Dang Van Dao         | Đặng Văn Đào         | Unsigned          | no  | no diacritics at all
    NGUYENVANDUNG        | Nguyễn Văn Dũng      | Folded Unsigned   | no  | as the national service is asked
    Dặng Văn Dào         | Đặng Văn Đào         | Unsigned          | no  | a keyboard without Đ
    Dặng Văn Đào         | Đặng Văn Đào         | PartialDiacritics | no  | the keyboard has Đ
    Trần Văn Diệp        | Trần Văn Điệp        | OtherDiacritics   | no  | Diệp is a name, too
    Mai Hoa              | Mai Hòa              | Unsigned          | no  | a name without any mark looks as any unsigned one
    TRAN THI LI          | Trần Thị Lý          | IAndY Unsigned    | no  | i for y too
    Nguyễn Van Dũng      | Nguyễn Văn Dũng      | PartialDiacritics | no  | some are missing; no name is Van
    Nguyễn Văn Dũng      | NGUYEN VAN DUNG      | PartialDiacritics OtherDiacritics | no | the record lacks them, and Dung is a name

    # another name in law
    Hoàng Văn Lý         | Huỳnh Văn Lý         | Regional          | no  | north and south
    HOANG VAN LY         | Huỳnh Văn Lý         | Unsigned Regional | no  | the same unsigned
    Vũ Phúc              | Võ Phước             | Regional          | no  | twice
    Trần Nhật            | Trần Nhựt            | Regional          | no  | a name avoided out of respect
    Nguyễn Sanh          | Nguyễn Sinh          | Regional          | no  | the same
    Nguyễn An            | Nguyễn Văn An        | Tokens            | no  | a middle name missing
    Nguyễn Thị Văn An    | Nguyễn Văn An        | Tokens            | no  | one too many
    Nguyễn An Văn        | Nguyễn Văn An        | Tokens            | no  | another order
    An Nguyễn Văn        | Nguyễn Văn An        | Tokens            | no  | the given name first
    An                   | Nguyễn Văn An        | Tokens            | no  | one word of three
    Nguyễn Thuyên        | Nguyễn Thu Yên       | Tokens            | no  | thuyên is a syllable: perhaps another name
    Trần Văn Hùng        | Trần Văn Hưng        | OtherDiacritics   | no  | two names
    Nguyễn Văn Dung      | Nguyễn Văn Dũng      | OtherDiacritics   | no  | Dung is a name too
    Lê Thị Phương        | Lê Thị Phượng        | OtherDiacritics   | no  | so is Phương
    Trần Văn Tí          | Trần Văn Tú          | Handwriting       | no  | u read as i
    Trần Văn Thiệt       | Trần Văn Thiết       | Handwriting       | no  | one mark read as another
    Trần Văn Narn        | Trần Văn Nam         | Handwriting       | no  | rn for m

    # names that are no Kinh names
    Bhăm Niê             | Y Bhăm Niê           | MinorityForm      | no  | the prefix is part of the name
    Hơ Hen Niê           | H'Hen Niê            | MinorityForm      | no  | the prefix written with its vowel
    Hen Niê              | H'Hen Niê            | MinorityForm      | no  | the prefix missing
    Han Niê              | H'An Niê             | MinorityForm      | no  | han is a syllable
    A Kim                | Y Kim                | Different         | no  | A is a man, Y a woman
    Ka Thương            | K'Thương             | Different         | no  | Ka is a woman, K' a man
    Bing                 | Bing                 | Same              | yes | one word
    K'brêu               | K'Brêu               | Folded            | yes | one word with a prefix
    Moong Văn Xiêng      | Moong Văn Xiềng      | PartialDiacritics | no  | a mark missing
    Niê Y Bhăm           | Y Bhăm Niê           | Tokens            | no  | the clan first

    # others
    Nguyễn Văn An        | Trần Thị Bình        | Different         | no  | another name
    Nguyễn Văn An        | Nguyễn Văn Bình      | Different         | no  | another given name
    Jan Ků               | Jan Kű               | OtherDiacritics   | no  | a ring and two strokes
    Tôn Nữ Nguyễn Thị Hoàng Quỳnh Bảo Trân | TÔN NỮ NGUYỄN THỊ HOÀNG QUỲNH BẢO TRÂN | Folded | yes | eight words
";

#[test]
fn the_rulings_of_the_table() {
    for row in RULINGS.lines().filter(|line| !line.trim().is_empty() && !line.trim().starts_with('#')) {
        let [asked, recorded, classes, accepted, _why] = row.split('|').map(str::trim).collect::<Vec<_>>()[..] else {
            panic!("a row has five columns: {row}")
        };
        let ruling = rule(&name(asked), &name(recorded), NameThreshold::default());
        let found: Vec<String> = ruling.comparison.classes.iter().map(|class| format!("{class:?}")).collect();
        let found = if found.is_empty() { "Same".to_owned() } else { found.join(" ") };
        assert_eq!(found, classes, "{row}");
        assert_eq!(ruling.accepted, accepted == "yes", "{row}");
    }
}

#[test]
fn thresholds_accept_what_they_say() {
    let pairs = [
        ("Trần Văn Hùng", NameClass::Same),
        ("TRẦN VĂN HÙNG", NameClass::Folded),
        ("Tran Van Hung", NameClass::Unsigned),
        ("Trần Văn Hưng", NameClass::OtherDiacritics),
    ];
    for threshold in NameThreshold::ALL {
        for (asked, class) in pairs {
            let (asked, recorded) = (name(asked), name("Trần Văn Hùng"));
            assert_eq!(compare(&asked, &recorded).class(), class);
            assert_eq!(key_matches(&asked, &recorded, threshold), threshold.accepts(class), "{threshold:?} {class:?}");
            let verdict = if threshold.accepts(class) { Verdict::Match } else { Verdict::NoMatch };
            assert_eq!(claim(&asked, &recorded, threshold), Finding { verdict, reason: reason(class) });
        }
        for never in
            [NameClass::Regional, NameClass::OtherDiacritics, NameClass::PartialDiacritics, NameClass::Different]
        {
            assert!(!threshold.accepts(never), "{threshold:?}");
        }
    }
    assert_eq!(NameThreshold::default(), NameThreshold::Spelling);
}

#[test]
fn rare_words_in_common_say_more_than_common_ones() {
    let score = |asked: &str, recorded: &str| compare(&name(asked), &name(recorded)).score;
    let common = score("Nguyễn Văn Hùng", "Nguyễn Văn Hùng");
    let rare = score("Moong Văn Xiêng", "Moong Văn Xiêng");
    assert!(rare > common + 2_000, "{rare} hundredths of a bit, and {common}");
    let shared_surname = score("Nguyễn Văn Hùng", "Nguyễn Thị Mai");
    assert!(shared_surname < 0, "sharing Nguyễn proves nothing: {shared_surname}");
    assert!(score("Moong Văn Hùng", "Moong Thị Mai") > shared_surname + 1_000, "sharing Moong proves something");
    assert!(score("NGUYEN VAN HUNG", "Nguyễn Văn Hùng") < common, "unsigned agreement says less");
}

/// Words of all kinds, spelled and misspelled.
fn any_name() -> impl Strategy<Value = FullName> {
    let words = prop::sample::select(vec![
        "Nguyễn",
        "NGUYEN",
        "Hoà",
        "Hòa",
        "Hoa",
        "Lý",
        "Lí",
        "Li",
        "Văn",
        "Van",
        "Hùng",
        "Hưng",
        "Hoàng",
        "Huỳnh",
        "Y",
        "H'",
        "Hơ",
        "Bhăm",
        "Vy",
        "Vi",
        "Quý",
        "Qúi",
        "Thu",
        "Yên",
        "Thuyên",
        "Ksor-",
        "Đào",
        "Dào",
        "Ê\u{306}ban",
        "a.a.a.a",
    ]);
    let listed = prop::collection::vec(words, 1..9).prop_map(|words| words.join(" "));
    let wild = "[A-Za-zĐđạễệơưăâêôùúýỳ' .\\-\u{301}\u{306}]{1,60}";
    prop_oneof![3 => listed, 1 => wild.prop_map(|text| text)]
        .prop_filter_map("a name", |text| FullName::parse(&text).ok())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_two_names_are_compared(asked in any_name(), recorded in any_name()) {
        let there = compare(&asked, &recorded);
        let back = compare(&recorded, &asked);
        // N0 if and only if the normal forms are equal.
        prop_assert_eq!(there.class() == NameClass::Same, asked == recorded);
        // What is accepted by default is accepted either way round; so is the bare fact of another name.
        let default = NameThreshold::default();
        prop_assert_eq!(key_matches(&asked, &recorded, default), key_matches(&recorded, &asked, default));
        prop_assert_eq!(there.class() == NameClass::Different, back.class() == NameClass::Different);
        // No class hides behind another: all of them are accepted, or the names are not.
        for threshold in NameThreshold::ALL {
            let all = there.classes.iter().all(|class| threshold.accepts(class));
            prop_assert_eq!(key_matches(&asked, &recorded, threshold), all);
        }
        prop_assert!(there.score.abs() <= 100 * 2_000);
    }

    #[test]
    fn a_name_is_itself_in_any_case(of in any_name()) {
        let upper = FullName::parse(&of.reveal().to_uppercase());
        prop_assume!(upper.is_ok());
        let class = compare(&upper.expect("just looked"), &of).class();
        prop_assert!(class <= NameClass::Folded, "{:?}", class);
    }

    /// The more lenient threshold accepts all that the stricter one does, and no threshold a more serious class than one
    /// it refuses.
    #[test]
    fn acceptance_never_grows_with_the_difference(one in 0_usize..12, other in 0_usize..12, at in 0_usize..4) {
        let (benign, serious) = (NameClass::ALL[one.min(other)], NameClass::ALL[one.max(other)]);
        let threshold = NameThreshold::ALL[at];
        prop_assert!(!threshold.accepts(serious) || threshold.accepts(benign));
        prop_assert!(!threshold.accepts(benign) || NameThreshold::ALL[at..].iter().all(|more| more.accepts(benign)));
    }
}
