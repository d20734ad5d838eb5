#!/bin/sh
# Makes, with OpenSSL 3 alone and as its manual pages do it, a root, an intermediate authority and signers, each with
# its key: sh make.sh FOLDER. Everything but the authority's extensions is what the program does by itself: the signers
# named -plain have no extension file, so they are of version 1 before OpenSSL 3.2. For tests alone.
set -eu
cd "$1"
days=7300
make_key() { # name, kind
    case "$2" in
        pss) openssl genpkey -algorithm RSA-PSS -pkeyopt rsa_keygen_bits:3072 -out "$1.key" ;;
        rsa*) openssl genrsa -out "$1.key" "${2#rsa}" ;;
        *) openssl ecparam -name "$2" -genkey -noout -out "$1.key" ;;
    esac
}
sign() { # name, subject, issuer, further options
    name="$1" subject="$2" issuer="$3"
    shift 3
    openssl req -new -key "$name.key" -subj "$subject" -out "$name.csr"
    openssl x509 -req -in "$name.csr" -CA "$issuer.crt" -CAkey "$issuer.key" -days "$days" -out "$name.crt" "$@"
}
{
    openssl req -x509 -newkey rsa:3072 -nodes -keyout root.key -out root.crt -days "$days" -subj '/C=VN/CN=TEST OpenSSL root'
    printf 'basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n' > authority.ext
    printf 'keyUsage=critical,digitalSignature,nonRepudiation\n' > signer.ext
    make_key authority secp384r1
    sign authority '/C=VN/CN=TEST OpenSSL authority' root -extfile authority.ext
    make_key authority-pss pss
    sign authority-pss '/C=VN/CN=TEST OpenSSL authority (PSS)' root -extfile authority.ext -sigopt rsa_padding_mode:pss
    for kind in rsa2048 rsa3072 prime256v1 secp384r1 secp521r1 pss; do
        [ "$kind" = pss ] && issuer=authority-pss || issuer=authority
        make_key "$kind-plain" "$kind"
        sign "$kind-plain" "/C=VN/CN=TEST $kind plain" "$issuer"
        make_key "$kind-extended" "$kind"
        sign "$kind-extended" "/C=VN/CN=TEST $kind extended" "$issuer" -extfile signer.ext
    done
    # Signed with SHA-1 in the mask of RSASSA-PSS alone.
    make_key mask-sha1 rsa2048
    sign mask-sha1 '/C=VN/CN=TEST mask of SHA-1' authority-pss -extfile signer.ext -sigopt rsa_mgf1_md:sha1
} > log 2>&1 || { cat log >&2; exit 1; }
for name in rsa2048 rsa3072 prime256v1 secp384r1 secp521r1 pss; do
    [ "$name" = pss ] && issuer=authority-pss || issuer=authority
    for form in plain extended; do
        cat "$name-$form.key" "$name-$form.crt" "$issuer.crt" > "$name-$form.pem"
    done
done
cat mask-sha1.key mask-sha1.crt authority-pss.crt > mask-sha1.pem
mv root.crt root.pem
mv authority.crt authority.pem
mv authority-pss.crt authority-pss.pem
rm -f ./*.key ./*.crt ./*.csr ./*.ext ./*.srl log
