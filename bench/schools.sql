-- Schools {first} to {last} of {pupils} pupils, in twenty classes: roll, packages of forty, of which each tenth is
-- unread, and valid rows of the ledger for all but each {missing}th pupil; one in twenty was refused at first, of
-- the missing each second; each {recalled}th pupil's record was recalled.
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
    (p % 5 + 1) || chr(65 + (p / 5) % 4) AS class_name, md5(id || '-' || p)::uuid AS record_id,
    md5(id || '/' || p / 40)::uuid AS package_id
FROM grown, generate_series(1, {pupils}) p;
INSERT INTO enrolment_class (school_id, school_year, number, grade, class_name, expected, moved_in, moved_out)
SELECT school_id, 2025, 1, grade, class_name, count(*), 0, 0 FROM pupil GROUP BY school_id, grade, class_name;
INSERT INTO enrolment_pupil (school_id, school_year, number, student_code, full_name, grade, class_name, movement)
SELECT school_id, 2025, 1, student_code, 'Nguyễn Thị Bưởi', grade, class_name, 'enrolled' FROM pupil;
INSERT INTO record (school_id, school_year, record_id, package_id, position, xml, xml_encoding, xml_sha256,
    content_sha256, format_version, policy_version, circular, level, grade, class_name, student_code, pupil_key,
    full_name, born_on, is_completed, is_digitised, issued_on, received_at, is_late, calendar_version)
SELECT school_id, 2025, record_id, package_id, p % 40, '\x28', 'zstd', sha256('x'), sha256('y'),
    '1.0', 'bench', '27/2020', '02', grade, class_name, student_code, student_code, 'Nguyễn Thị Bưởi',
    '2015-01-01', p % 50 <> 0, false, '2026-06-01', now() - interval '1 day', p % 40 = 0, 'bench'
FROM pupil WHERE p % {missing} <> 0;
INSERT INTO package (school_id, package_id, school_year, schema_version, sha256, payload, is_atomic, client_id,
    received_at)
SELECT DISTINCT school_id, package_id, 2025, '1.0', sha256('x'), '\x28'::bytea, false, gen_random_uuid(),
    now() - interval '1 day' FROM (SELECT DISTINCT school_id, package_id FROM pupil) sent;
INSERT INTO package_progress (school_id, package_id, state, total, answered_at, reply_read_at)
SELECT school_id, package_id, 'answered', 40, now() - interval '1 hour',
    CASE WHEN get_byte(uuid_send(package_id), 0) % 10 > 0 THEN now() - interval '1 minute' END
FROM (SELECT DISTINCT school_id, package_id FROM pupil) sent;
INSERT INTO item_event (school_id, school_year, package_id, position, round, target, at, student_code)
SELECT school_id, 2025, package_id, p % 40, 1, 'accepted', now() - interval '1 hour', student_code
FROM pupil WHERE p % {missing} <> 0
UNION ALL
SELECT school_id, 2025, package_id, 1000 + p % 40, 1, 'rejected', now() - interval '1 hour', student_code
FROM pupil WHERE p % 20 = 0 OR p % (2 * {missing}) = 0;
INSERT INTO record_event (school_id, school_year, record_id, id, kind, at, actor_kind, actor_id, facts)
SELECT school_id, 2025, record_id, gen_random_uuid(), kind, now() - interval '1 hour', 'client', 'bench', '{{}}'
FROM pupil, unnest(ARRAY['recorded', 'recalled']) kind
WHERE p % {missing} <> 0 AND (kind = 'recorded' OR p % {recalled} = 1);
INSERT INTO school_change (school_id, school_year, changes) SELECT id, 2025, 1 FROM grown
