#!/bin/sh
# Makes, with OpenSSL alone, the authority, certificates, lists and answers beside this file: sh make.sh FOLDER
# Keys are new each time, and so is the moment of the OCSP answers; all other dates are fixed. For tests alone.
set -eu
cd "$1"
cat > ca.cnf <<'EOF'
[ca]
default_ca = own
[own]
dir = .
database = index.txt
serial = serial
crlnumber = crlnumber
new_certs_dir = .
certificate = ca.pem
private_key = ca.key
default_md = sha256
policy = any
crl_extensions = crl
unique_subject = no
[any]
commonName = supplied
[crl]
authorityKeyIdentifier = keyid
[root]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[signer]
basicConstraints = CA:FALSE
keyUsage = critical, digitalSignature, nonRepudiation
[responder]
basicConstraints = CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = OCSPSigning
noCheck = ignored
EOF
: > index.txt
echo 1000 > serial
echo A1 > crlnumber
key() { openssl ecparam -name prime256v1 -genkey -noout -out "$1.key" 2> log; }
issue() { # name, subject, extensions, further options
    key "$1"
    openssl req -new -key "$1.key" -subj "/CN=$2" -out "$1.csr" 2> log
    name="$1" extensions="$3"; shift 3
    openssl ca -batch -config ca.cnf -in "$name.csr" -out "$name.pem" -notext -extensions "$extensions" \
        -startdate 20250101000000Z -enddate 20350101000000Z "$@" 2> log
}
issue ca 'TEST OpenSSL CA' root -selfsign -keyfile ca.key
issue good 'TEST good' signer
issue stolen 'TEST stolen' signer
issue held 'TEST held' signer
issue responder 'TEST responder' responder
openssl ca -config ca.cnf -revoke stolen.pem -crl_compromise 20260101000000Z 2> log
openssl ca -config ca.cnf -revoke held.pem -crl_hold holdInstructionReject 2> log
sed -i.old 's/\t[0-9]*Z,/\t260520000000Z,/' index.txt
openssl ca -config ca.cnf -gencrl -crl_lastupdate 20260601000000Z -crl_nextupdate 20260701000000Z -out list.pem 2> log
openssl crl -in list.pem -outform DER -out list.crl
for name in good stolen; do
    openssl ocsp -index index.txt -CA ca.pem -rsigner responder.pem -rkey responder.key -sha256 -ndays 3650 \
        -issuer ca.pem -cert "$name.pem" -no_nonce -respout "$name.ocsp" > log 2>&1
    openssl ocsp -index index.txt -CA ca.pem -rsigner ca.pem -rkey ca.key -ndays 3650 \
        -issuer ca.pem -cert "$name.pem" -respout "$name-direct.ocsp" > log 2>&1
done
rm -f ./*.key ./*.csr ./*.cnf ./*.old ./*.attr index.txt serial crlnumber log 10*.pem list.pem
