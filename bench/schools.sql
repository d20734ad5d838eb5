-- Schools {first} to {last} of {pupils} pupils, in twenty classes: roll, and valid rows of the ledger for all but
-- each {missing}th pupil.
INSERT INTO organisation (code, kind, name, parent_id, province_code, levels, valid_from)
SELECT '37' || lpad(n::text, 8, '0'), 'school', 'Trường Tiểu học số ' || n, c.id, '37', '{{02}}', '2025-07-01'
FROM generate_series({first}, {last}) n
JOIN (SELECT id, row_number() OVER (ORDER BY id) - 1 AS place FROM organisation WHERE kind = 'commune') c
    ON c.place = n % 129;
CREATE TEMP TABLE grown ON COMMIT DROP AS
SELECT id, parent_id FROM organisation WHERE kind = 'school'
    AND code BETWEEN '37' || lpad({first}::text, 8, '0') AND '37' || lpad({last}::text, 8, '0');
INSERT INTO management (school_id, valid_from, authority_id) SELECT id, '2025-07-01', parent_id FROM grown;
INSERT INTO enrolment_roll (school_id, school_year, number, id, form, content_sha256, pupils, expected,
    made_by_kind, made_by)
SELECT id, 2025, 1, gen_random_uuid(), 'csv', sha256('x'), {pupils}, {pupils}, 'client', 'bench' FROM grown;
CREATE TEMP TABLE pupil ON COMMIT DROP AS
SELECT id AS school_id, p, 'hs' || id || '-' || p AS student_code, (p % 5 + 1)::smallint AS grade,
    (p % 5 + 1) || chr(65 + (p / 5) % 4) AS class_name
FROM grown, generate_series(1, {pupils}) p;
INSERT INTO enrolment_class (school_id, school_year, number, grade, class_name, expected, moved_in, moved_out)
SELECT school_id, 2025, 1, grade, class_name, count(*), 0, 0 FROM pupil GROUP BY school_id, grade, class_name;
INSERT INTO enrolment_pupil (school_id, school_year, number, student_code, full_name, grade, class_name, movement)
SELECT school_id, 2025, 1, student_code, 'Nguyễn Thị Bưởi', grade, class_name, 'enrolled' FROM pupil;
INSERT INTO record (school_id, school_year, record_id, package_id, position, xml, xml_encoding, xml_sha256,
    content_sha256, format_version, policy_version, circular, level, grade, class_name, student_code, pupil_key,
    full_name, born_on, is_completed, is_digitised, issued_on, received_at, is_late, calendar_version)
SELECT school_id, 2025, gen_random_uuid(), gen_random_uuid(), 1, '\x28', 'zstd', sha256('x'), sha256('y'),
    '1.0', 'bench', '27/2020', '02', grade, class_name, student_code, student_code, 'Nguyễn Thị Bưởi',
    '2015-01-01', p % 50 <> 0, false, '2026-06-01', now() - interval '1 day', p % 40 = 0, 'bench'
FROM pupil WHERE p % {missing} <> 0;
INSERT INTO school_change (school_id, school_year, changes) SELECT id, 2025, 1 FROM grown
