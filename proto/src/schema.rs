//! The population database as this project reads it: one documented schema for SQLite and PostgreSQL.
//!
//! `client` writes it (synthetic population) and `node` reads it (authority); both take names and codes from here.
//! The SQL beside this file is the documentation of every column.

/// One step of the schema, in order of [`Migration::version`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Migration {
    /// Its number, from 1.
    pub version: i32,
    /// What it does, as recorded in `schema_migrations`.
    pub name: &'static str,
    /// Statements that SQLite and PostgreSQL read alike.
    pub sql: &'static str,
}

/// Tables; run before a bulk load.
pub const TABLES: Migration = Migration { version: 1, name: "tables", sql: include_str!("schema/1_tables.sql") };

/// Indexes; run after a bulk load, so a database that lacks them is a load that did not finish.
pub const INDEXES: Migration = Migration { version: 2, name: "indexes", sql: include_str!("schema/2_indexes.sql") };

/// Every migration, oldest first.
pub const MIGRATIONS: [Migration; 2] = [TABLES, INDEXES];

/// The schema this build reads and writes; any other version is refused by readers.
pub const VERSION: i32 = INDEXES.version;

/// Reads the schema version of a database.
pub const SELECT_VERSION: &str = "SELECT max(version) FROM schema_migrations";

/// The table of people.
pub const PERSONS: &str = "persons";

/// The table of changes.
pub const CHANGES: &str = "changes";

/// How wide a column is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `SMALLINT`, 2 bytes.
    Small,
    /// `INTEGER`, 4 bytes.
    Int,
    /// `BIGINT`, 8 bytes.
    Big,
    /// `TEXT`.
    Text,
}

/// The columns of `persons`, in table order: writers fill them and readers take them in this order.
pub const PERSON_COLUMNS: [(&str, Kind); 54] = [
    ("citizen_number", Kind::Big),
    ("old_number", Kind::Big),
    ("number_status", Kind::Small),
    ("replaced_by", Kind::Big),
    ("replaces", Kind::Big),
    ("full_name", Kind::Text),
    ("other_name", Kind::Text),
    ("birth_year", Kind::Small),
    ("birth_month", Kind::Small),
    ("birth_day", Kind::Small),
    ("sex", Kind::Small),
    ("nationality", Kind::Text),
    ("ethnicity", Kind::Small),
    ("birth_registration_code", Kind::Small),
    ("birth_registration_province", Kind::Small),
    ("birth_registration_commune", Kind::Int),
    ("hometown_province", Kind::Small),
    ("hometown_commune", Kind::Int),
    ("marital", Kind::Small),
    ("living", Kind::Small),
    ("living_changed_on", Kind::Int),
    ("permanent_province", Kind::Small),
    ("permanent_commune", Kind::Int),
    ("permanent_detail", Kind::Text),
    ("permanent_old_code_set", Kind::Small),
    ("permanent_old_province", Kind::Small),
    ("permanent_old_district", Kind::Small),
    ("permanent_old_commune", Kind::Int),
    ("temporary_province", Kind::Small),
    ("temporary_commune", Kind::Int),
    ("temporary_detail", Kind::Text),
    ("temporary_old_code_set", Kind::Small),
    ("temporary_old_province", Kind::Small),
    ("temporary_old_district", Kind::Small),
    ("temporary_old_commune", Kind::Int),
    ("current_province", Kind::Small),
    ("current_commune", Kind::Int),
    ("current_detail", Kind::Text),
    ("current_old_code_set", Kind::Small),
    ("current_old_province", Kind::Small),
    ("current_old_district", Kind::Small),
    ("current_old_commune", Kind::Int),
    ("household_id", Kind::Big),
    ("head_number", Kind::Big),
    ("relation_to_head", Kind::Small),
    ("father_number", Kind::Big),
    ("mother_number", Kind::Big),
    ("spouse_number", Kind::Big),
    ("guardian_number", Kind::Big),
    ("card_number", Kind::Text),
    ("card_issued_on", Kind::Int),
    ("card_expires_on", Kind::Int),
    ("under_correction", Kind::Small),
    ("version", Kind::Big),
];

/// The columns of `changes`, in table order.
pub const CHANGE_COLUMNS: [(&str, Kind); 4] =
    [("position", Kind::Big), ("citizen_number", Kind::Big), ("kind", Kind::Small), ("version", Kind::Big)];

/// The codes in coded columns.
pub mod code {
    /// `number_status`: in use.
    pub const NUMBER_ACTIVE: i16 = 1;
    /// `number_status`: cancelled; `replaced_by` may name the number given instead.
    pub const NUMBER_CANCELLED: i16 = 2;

    /// `sex`: not recorded.
    pub const SEX_UNKNOWN: i16 = 0;
    /// `sex`: nam.
    pub const SEX_MALE: i16 = 1;
    /// `sex`: nữ.
    pub const SEX_FEMALE: i16 = 2;

    /// `marital`: not recorded.
    pub const MARITAL_UNKNOWN: i16 = 0;
    /// `marital`: chưa kết hôn.
    pub const MARITAL_SINGLE: i16 = 1;
    /// `marital`: đang có vợ/chồng.
    pub const MARITAL_MARRIED: i16 = 2;
    /// `marital`: đã ly hôn hoặc góa.
    pub const MARITAL_DIVORCED_OR_WIDOWED: i16 = 3;

    /// `living`: no death or disappearance recorded.
    pub const LIVING_ALIVE: i16 = 1;
    /// `living`: dead.
    pub const LIVING_DEAD: i16 = 2;
    /// `living`: declared missing.
    pub const LIVING_MISSING: i16 = 3;

    /// `*_old_code_set`: three-level codes in force until 30 June 2025.
    pub const CODE_SET_UNTIL_2025: i16 = 1;

    /// `relation_to_head`: the head.
    pub const RELATION_HEAD: i16 = 1;
    /// `relation_to_head`: wife or husband.
    pub const RELATION_SPOUSE: i16 = 2;
    /// `relation_to_head`: son or daughter.
    pub const RELATION_CHILD: i16 = 3;
    /// `relation_to_head`: father or mother, also in-law.
    pub const RELATION_PARENT: i16 = 4;
    /// `relation_to_head`: grandchild.
    pub const RELATION_GRANDCHILD: i16 = 5;
    /// `relation_to_head`: grandparent.
    pub const RELATION_GRANDPARENT: i16 = 6;
    /// `relation_to_head`: brother or sister.
    pub const RELATION_SIBLING: i16 = 7;
    /// `relation_to_head`: anybody else.
    pub const RELATION_OTHER: i16 = 9;

    /// `changes.kind`: recorded or changed.
    pub const CHANGE_RECORDED: i16 = 1;
    /// `changes.kind`: number cancelled.
    pub const CHANGE_CANCELLED: i16 = 2;
}

/// The names of some columns, joined for a column list.
#[must_use]
pub fn column_list(columns: &[(&str, Kind)]) -> String {
    columns.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lists that programs use and the SQL that people read name the same columns, types and order.
    #[test]
    fn the_column_lists_are_those_of_the_sql() {
        assert_eq!(listed(&PERSON_COLUMNS), declared("CREATE TABLE persons ("));
        assert_eq!(listed(&CHANGE_COLUMNS), declared("CREATE TABLE changes ("));
    }

    #[test]
    fn migrations_are_numbered_from_one_without_gaps() {
        let versions: Vec<i32> = MIGRATIONS.iter().map(|migration| migration.version).collect();
        assert_eq!(versions, (1..=VERSION).collect::<Vec<_>>());
    }

    fn listed(columns: &[(&str, Kind)]) -> Vec<(String, String)> {
        columns.iter().map(|(name, kind)| ((*name).to_owned(), sql_type(*kind).to_owned())).collect()
    }

    fn declared(opening: &str) -> Vec<(String, String)> {
        let body =
            TABLES.sql.split(opening).nth(1).and_then(|rest| rest.split("\n);").next()).expect("the table is there");
        let lines = body.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("--"));
        let mut words = lines.map(|line| line.split_whitespace().map(|word| word.trim_end_matches(',').to_owned()));
        let pairs = words.by_ref().map(|mut word| (word.next().expect("a name"), word.next().expect("a type")));
        // Contact columns exist in the schema but are neither written nor read: no question needs them.
        pairs.filter(|(name, _)| name != "phone" && name != "email").collect()
    }

    fn sql_type(kind: Kind) -> &'static str {
        match kind {
            Kind::Small => "SMALLINT",
            Kind::Int => "INTEGER",
            Kind::Big => "BIGINT",
            Kind::Text => "TEXT",
        }
    }
}
