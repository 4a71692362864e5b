-- Migration 1: tables.
-- The text is plain SQL that SQLite 3 and PostgreSQL read alike; indexes come in migration 2, after a bulk load.

-- Which migrations this database has had.
CREATE TABLE schema_migrations (
  version INTEGER NOT NULL,
  name    TEXT    NOT NULL
);

-- One row per citizen number ever given (Law on Identification 26/2023/QH15, article 9).
-- Numbers of people are stored as integers and written with leading zeros: 12 digits, old numbers 9.
-- Days are integers YYYYMMDD. Text is in Unicode NFC. NULL means "not recorded".
CREATE TABLE persons (
  citizen_number           BIGINT   NOT NULL,
  old_number               BIGINT,             -- 9-digit identity number; not unique
  number_status            SMALLINT NOT NULL,  -- 1 active, 2 cancelled
  replaced_by              BIGINT,             -- the number given instead of this one
  replaces                 BIGINT,             -- the number this one was given for
  full_name                TEXT     NOT NULL,
  other_name               TEXT,
  birth_year               SMALLINT NOT NULL,
  birth_month              SMALLINT,           -- month and day are both NULL when only the year is known
  birth_day                SMALLINT,
  sex                      SMALLINT NOT NULL,  -- 1 male, 2 female, 0 unknown
  nationality              TEXT     NOT NULL,  -- ISO 3166-1 alpha-2
  ethnicity                SMALLINT,           -- 1 to 54
  birth_registration_code  SMALLINT,           -- province or country, as in the first three digits of a number
  birth_registration_province SMALLINT,        -- today's province; NULL abroad
  birth_registration_commune  INTEGER,
  hometown_province        SMALLINT,
  hometown_commune         INTEGER,
  marital                  SMALLINT NOT NULL,  -- 1 single, 2 married, 3 divorced or widowed, 0 unknown
  living                   SMALLINT NOT NULL,  -- 1 alive, 2 dead, 3 missing
  living_changed_on        INTEGER,            -- day of death, or from which the person is missing
  -- Three addresses. *_province and *_commune are codes in force since 2025-07-01 (Decision 19/2025/QD-TTg);
  -- *_old_* are the codes the address carried before, in the code set *_old_code_set
  -- (1: three-level codes in force until 2025-06-30). The same digits may name another place in the two sets.
  permanent_province       SMALLINT,
  permanent_commune        INTEGER,
  permanent_detail         TEXT,
  permanent_old_code_set   SMALLINT,
  permanent_old_province   SMALLINT,
  permanent_old_district   SMALLINT,
  permanent_old_commune    INTEGER,
  temporary_province       SMALLINT,
  temporary_commune        INTEGER,
  temporary_detail         TEXT,
  temporary_old_code_set   SMALLINT,
  temporary_old_province   SMALLINT,
  temporary_old_district   SMALLINT,
  temporary_old_commune    INTEGER,
  current_province         SMALLINT,
  current_commune          INTEGER,
  current_detail           TEXT,
  current_old_code_set     SMALLINT,
  current_old_province     SMALLINT,
  current_old_district     SMALLINT,
  current_old_commune      INTEGER,
  household_id             BIGINT,
  head_number              BIGINT,             -- citizen number of the head of the household
  relation_to_head         SMALLINT,           -- 1 head, 2 spouse, 3 child, 4 parent, 5 grandchild, 6 grandparent, 7 sibling, 9 other
  father_number            BIGINT,             -- relatives by citizen number; they may be unknown to this database
  mother_number            BIGINT,
  spouse_number            BIGINT,
  guardian_number          BIGINT,
  card_number              TEXT,
  card_issued_on           INTEGER,
  card_expires_on          INTEGER,            -- NULL with an issue day: valid for life
  phone                    TEXT,
  email                    TEXT,
  under_correction         SMALLINT NOT NULL,  -- 1 while the authority is correcting this person
  version                  BIGINT   NOT NULL   -- grows with every change of this person
);

-- The change feed: one row per change, in commit order, positions growing.
-- The writer of a change adds its row in the same transaction, and writers take turns (one at a time),
-- so that a reader who has seen position N has seen every row up to N.
CREATE TABLE changes (
  position       BIGINT   NOT NULL,
  citizen_number BIGINT   NOT NULL,
  kind           SMALLINT NOT NULL,            -- 1 recorded or changed, 2 number cancelled
  version        BIGINT   NOT NULL             -- the person's version after the change
);
