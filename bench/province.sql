-- A province without schools: ministry, department, communes.
INSERT INTO organisation (code, kind, name, valid_from) VALUES ('BGDDT', 'ministry', 'Bộ', '2025-07-01');
INSERT INTO organisation (code, kind, name, parent_id, province_code, valid_from)
SELECT '37', 'department', 'Sở', id, '37', '2025-07-01' FROM organisation WHERE kind = 'ministry';
INSERT INTO organisation (code, kind, name, parent_id, province_code, valid_from)
SELECT (10000 + n)::text, 'commune', 'UBND xã ' || n, d.id, '37', '2025-07-01'
FROM organisation d, generate_series(1, 129) n WHERE d.kind = 'department'
