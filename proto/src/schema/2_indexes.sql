-- Migration 2: indexes. A database without them is a load that did not finish, and readers refuse it.

CREATE UNIQUE INDEX schema_migrations_by_version ON schema_migrations (version);
CREATE UNIQUE INDEX persons_by_citizen_number ON persons (citizen_number);
CREATE INDEX persons_by_old_number ON persons (old_number) WHERE old_number IS NOT NULL;
-- Relatives are found without a look at their rows.
CREATE INDEX persons_by_father ON persons (father_number, number_status, citizen_number) WHERE father_number IS NOT NULL;
CREATE INDEX persons_by_mother ON persons (mother_number, number_status, citizen_number) WHERE mother_number IS NOT NULL;
CREATE INDEX persons_by_guardian ON persons (guardian_number, number_status, citizen_number)
    WHERE guardian_number IS NOT NULL;
CREATE INDEX persons_by_household ON persons (household_id, number_status, citizen_number);
CREATE UNIQUE INDEX changes_by_position ON changes (position);
