/* The reference: libxml2 and OpenSSL doing the same checks on the same bytes, in C.
 *
 * reads  XSD file, authorities (PEM), then a file of transcripts: each a 4-byte big-endian length and the bytes
 * does   parse; count elements, depth, attributes and namespaces; refuse comments and processing instructions; hold
 *        all identifiers apart; validate; read every field and check the marks; for every Signature: canonicalise
 *        and digest each Reference, canonicalise SignedInfo, verify SignatureValue with the key of X509Certificate,
 *        whose path is built once for each certificate, as ours is; digest the bytes; sign a receipt (ES256)
 * prints processor microseconds for one transcript, the median over the rounds, and how many were good
 * omits  unpacking and splitting, most rules, registration, policy, timeliness, findings, compression: a floor
 */
#include <libxml/c14n.h>
#include <libxml/parser.h>
#include <libxml/xmlschemas.h>
#include <openssl/bio.h>
#include <openssl/ecdsa.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define EXCLUSIVE "http://www.w3.org/2001/10/xml-exc-c14n#"
#define MOST 4096

typedef struct {
    int elements, identifiers;
    const char *identifier[MOST];
} Count;

typedef struct {
    unsigned char digest[32];
    X509 *certificate;
} Known;

static X509_STORE *authorities;
static EVP_PKEY *own_key;
static Known known[MOST];
static int known_count;

static int is_named(xmlNodePtr node, const char *name) {
    return node->type == XML_ELEMENT_NODE && strcmp((const char *)node->name, name) == 0;
}

static xmlNodePtr child(xmlNodePtr node, const char *name) {
    for (xmlNodePtr at = node ? node->children : NULL; at; at = at->next)
        if (is_named(at, name)) return at;
    return NULL;
}

static xmlNodePtr by_id(xmlNodePtr node, const char *id) {
    for (; node; node = node->next) {
        if (node->type != XML_ELEMENT_NODE) continue;
        xmlAttrPtr attribute = xmlHasProp(node, BAD_CAST "Id");
        if (attribute && attribute->children && strcmp((const char *)attribute->children->content, id) == 0) return node;
        xmlNodePtr found = by_id(node->children, id);
        if (found) return found;
    }
    return NULL;
}

static int by_name(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

/* Costs, hidden nodes and identifiers, in one walk. */
static int is_sound(xmlNodePtr node, int depth, Count *count) {
    if (depth > 48) return 0;
    for (; node; node = node->next) {
        if (node->type == XML_COMMENT_NODE || node->type == XML_PI_NODE || node->type == XML_ENTITY_REF_NODE) return 0;
        if (node->type != XML_ELEMENT_NODE) continue;
        int attributes = 0, namespaces = 0;
        for (xmlNsPtr at = node->nsDef; at; at = at->next) namespaces++;
        for (xmlAttrPtr at = node->properties; at; at = at->next) {
            attributes++;
            if (strcasecmp((const char *)at->name, "id") == 0 && at->children && count->identifiers < MOST)
                count->identifier[count->identifiers++] = (const char *)at->children->content;
        }
        if (++count->elements > 20000 || attributes > 32 || namespaces > 32) return 0;
        if (!is_sound(node->children, depth + 1, count)) return 0;
    }
    return 1;
}

static int is_told_apart(Count *count) {
    qsort(count->identifier, count->identifiers, sizeof *count->identifier, by_name);
    for (int i = 1; i < count->identifiers; i++)
        if (strcmp(count->identifier[i - 1], count->identifier[i]) == 0) return 0;
    return 1;
}

static double mark(xmlNodePtr subject, const char *name) {
    xmlNodePtr found = child(subject, name);
    return found && found->children ? strtod((const char *)found->children->content, NULL) : 0;
}

/* Reads every field, as an entry of the ledger needs it, and checks the year's marks. */
static int read_fields(xmlNodePtr node) {
    int read = 0;
    for (; node; node = node->next) {
        if (node->type != XML_ELEMENT_NODE) continue;
        if (is_named(node, "MonHoc")) {
            double off = mark(node, "HocKy1") + 2 * mark(node, "HocKy2") - 3 * mark(node, "CaNam");
            if (off > 0.16 || off < -0.16) continue; /* a warning: it refuses nothing */
        }
        if (xmlChildElementCount(node)) {
            read += read_fields(node->children);
        } else {
            xmlChar *text = xmlNodeGetContent(node);
            read += text != NULL;
            xmlFree(text);
        }
    }
    return read;
}

/* The certificate by its octets, with a path to an authority; each is read and its path built once. */
static X509 *trusted(const unsigned char *der, int length) {
    unsigned char digest[32];
    EVP_Digest(der, length, digest, NULL, EVP_sha256(), NULL);
    for (int i = 0; i < known_count; i++)
        if (memcmp(known[i].digest, digest, sizeof digest) == 0) return known[i].certificate;
    const unsigned char *at = der;
    X509 *certificate = d2i_X509(NULL, &at, length);
    X509_STORE_CTX *path = X509_STORE_CTX_new();
    X509_STORE_CTX_init(path, authorities, certificate, NULL);
    X509_STORE_CTX_set_flags(path, X509_V_FLAG_NO_CHECK_TIME | X509_V_FLAG_PARTIAL_CHAIN);
    int holds = X509_verify_cert(path) == 1;
    X509_STORE_CTX_free(path);
    if (!holds || known_count == MOST) {
        X509_free(certificate);
        return NULL;
    }
    memcpy(known[known_count].digest, digest, sizeof digest);
    return known[known_count++].certificate = certificate;
}

static int receipt_signed(const char *bytes, int length) {
    unsigned char digest[32], value[128];
    char claims[512], text[65];
    size_t size = sizeof value;
    EVP_Digest(bytes, length, digest, NULL, EVP_sha256(), NULL);
    for (int i = 0; i < 32; i++) sprintf(text + 2 * i, "%02x", digest[i]);
    int written = snprintf(claims, sizeof claims, "{\"kind\":\"acceptance\",\"xml_sha256\":\"%s\"}", text);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    int done = EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, own_key) == 1 &&
               EVP_DigestSign(context, value, &size, (unsigned char *)claims, written) == 1;
    EVP_MD_CTX_free(context);
    return done;
}

static unsigned char *decode(xmlNodePtr node, int *length) {
    xmlChar *text = xmlNodeGetContent(node);
    unsigned char *out = malloc(strlen((char *)text) + 4);
    int n = 0;
    EVP_ENCODE_CTX *context = EVP_ENCODE_CTX_new();
    EVP_DecodeInit(context);
    EVP_DecodeUpdate(context, out, length, text, (int)strlen((char *)text));
    EVP_DecodeFinal(context, out + *length, &n);
    *length += n;
    EVP_ENCODE_CTX_free(context);
    xmlFree(text);
    return out;
}

/* Only the subtree is walked: it is lent to a document of its own, under a copy of its root. */
static xmlOutputBufferPtr canonical(xmlDocPtr document, xmlNodePtr node, int is_exclusive) {
    xmlOutputBufferPtr buffer = xmlAllocOutputBuffer(NULL);
    xmlDocPtr alone = xmlCopyDoc(document, 0);
    xmlNodePtr root = xmlDocCopyNode(node, alone, 2);
    xmlDocSetRootElement(alone, root);
    root->children = node->children;
    root->last = node->last;
    for (xmlNodePtr at = node->children; at; at = at->next) at->parent = root;
    xmlC14NExecute(alone, NULL, NULL, is_exclusive ? XML_C14N_EXCLUSIVE_1_0 : XML_C14N_1_0, NULL, 0, buffer);
    for (xmlNodePtr at = node->children; at; at = at->next) at->parent = node;
    root->children = root->last = NULL;
    xmlFreeDoc(alone);
    return buffer;
}

static const EVP_MD *digest_of(const char *uri) {
    if (strstr(uri, "sha384")) return EVP_sha384();
    if (strstr(uri, "sha512")) return EVP_sha512();
    return EVP_sha256();
}

static int reference_holds(xmlDocPtr document, xmlNodePtr reference) {
    xmlChar *uri = xmlGetProp(reference, BAD_CAST "URI");
    xmlNodePtr target = by_id(xmlDocGetRootElement(document), (char *)uri + 1);
    int is_exclusive = 0;
    xmlNodePtr transforms = child(reference, "Transforms");
    for (xmlNodePtr at = transforms ? transforms->children : NULL; at; at = at->next) {
        xmlChar *algorithm = at->type == XML_ELEMENT_NODE ? xmlGetProp(at, BAD_CAST "Algorithm") : NULL;
        if (algorithm && strcmp((char *)algorithm, EXCLUSIVE) == 0) is_exclusive = 1;
        xmlFree(algorithm);
    }
    xmlChar *method = xmlGetProp(child(reference, "DigestMethod"), BAD_CAST "Algorithm");
    unsigned char computed[EVP_MAX_MD_SIZE];
    unsigned int size = 0;
    int length = 0, holds = 0;
    if (target) {
        xmlOutputBufferPtr octets = canonical(document, target, is_exclusive);
        EVP_Digest(xmlOutputBufferGetContent(octets), xmlOutputBufferGetSize(octets), computed, &size,
                   digest_of((char *)method), NULL);
        xmlOutputBufferClose(octets);
        unsigned char *stated = decode(child(reference, "DigestValue"), &length);
        holds = (unsigned int)length == size && memcmp(stated, computed, size) == 0;
        free(stated);
    }
    xmlFree(uri);
    xmlFree(method);
    return holds;
}

static int value_holds(xmlDocPtr document, xmlNodePtr signature) {
    xmlNodePtr info = child(signature, "SignedInfo");
    xmlChar *form = xmlGetProp(child(info, "CanonicalizationMethod"), BAD_CAST "Algorithm");
    xmlChar *method = xmlGetProp(child(info, "SignatureMethod"), BAD_CAST "Algorithm");
    int length = 0, certificate_length = 0, holds = 0;
    unsigned char *value = decode(child(signature, "SignatureValue"), &length);
    unsigned char *der = decode(child(child(child(signature, "KeyInfo"), "X509Data"), "X509Certificate"), &certificate_length);
    X509 *certificate = trusted(der, certificate_length);
    xmlOutputBufferPtr octets = canonical(document, info, strcmp((char *)form, EXCLUSIVE) == 0);
    unsigned char *wrapped = value;
    if (strstr((char *)method, "ecdsa")) {
        ECDSA_SIG *pair = ECDSA_SIG_new();
        ECDSA_SIG_set0(pair, BN_bin2bn(value, length / 2, NULL), BN_bin2bn(value + length / 2, length / 2, NULL));
        wrapped = NULL;
        length = i2d_ECDSA_SIG(pair, &wrapped);
        ECDSA_SIG_free(pair);
    }
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    holds = certificate && EVP_DigestVerifyInit(context, NULL, digest_of((char *)method), NULL, X509_get0_pubkey(certificate)) == 1 &&
            EVP_DigestVerify(context, wrapped, length, xmlOutputBufferGetContent(octets), xmlOutputBufferGetSize(octets)) == 1;
    EVP_MD_CTX_free(context);
    if (wrapped != value) OPENSSL_free(wrapped);
    xmlOutputBufferClose(octets);
    free(der);
    free(value);
    xmlFree(form);
    xmlFree(method);
    return holds;
}

static int is_good(xmlSchemaPtr schema, const char *bytes, int length) {
    xmlDocPtr document = xmlReadMemory(bytes, length, NULL, NULL, XML_PARSE_NONET);
    if (!document) return 0;
    Count count;
    count.elements = count.identifiers = 0;
    int good = is_sound(xmlDocGetRootElement(document), 1, &count) && is_told_apart(&count);
    xmlSchemaValidCtxtPtr validator = xmlSchemaNewValidCtxt(schema);
    good = good && xmlSchemaValidateDoc(validator, document) == 0;
    xmlSchemaFreeValidCtxt(validator);
    good = good && read_fields(child(xmlDocGetRootElement(document), "NoiDung")) > 0;
    xmlNodePtr holders = child(xmlDocGetRootElement(document), "DanhSachChuKy");
    for (xmlNodePtr holder = holders ? holders->children : NULL; good && holder; holder = holder->next) {
        xmlNodePtr signature = holder->type == XML_ELEMENT_NODE ? child(holder, "Signature") : NULL;
        if (!signature) continue;
        for (xmlNodePtr at = child(signature, "SignedInfo")->children; good && at; at = at->next)
            if (is_named(at, "Reference")) good = reference_holds(document, at);
        good = good && value_holds(document, signature);
    }
    xmlFreeDoc(document);
    return good && receipt_signed(bytes, length);
}

static int prepare(const char *path) {
    BIO *file = BIO_new_file(path, "r");
    X509 *authority;
    authorities = X509_STORE_new();
    while (file && (authority = PEM_read_bio_X509(file, NULL, NULL, NULL))) X509_STORE_add_cert(authorities, authority);
    BIO_free(file);
    own_key = EVP_EC_gen("P-256");
    return own_key != NULL;
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int count, char **arguments) {
    if (count != 5 || !prepare(arguments[2])) return 2;
    xmlInitParser();
    xmlSchemaPtr schema = xmlSchemaParse(xmlSchemaNewParserCtxt(arguments[1]));
    FILE *file = fopen(arguments[3], "rb");
    int rounds = atoi(arguments[4]), transcripts = 0, good = 0;
    static char *texts[MOST];
    static int lengths[MOST];
    unsigned char head[4];
    while (transcripts < MOST && fread(head, 1, 4, file) == 4) {
        lengths[transcripts] = head[0] << 24 | head[1] << 16 | head[2] << 8 | head[3];
        texts[transcripts] = malloc(lengths[transcripts]);
        if (fread(texts[transcripts], 1, lengths[transcripts], file) != (size_t)lengths[transcripts]) return 2;
        transcripts++;
    }
    if (!schema || !transcripts || rounds < 1 || rounds > 1000) return 2;
    double each[1000];
    for (int round = 0; round < rounds; round++) {
        clock_t from = clock();
        good = 0;
        for (int i = 0; i < transcripts; i++) good += is_good(schema, texts[i], lengths[i]);
        each[round] = 1e6 * (double)(clock() - from) / CLOCKS_PER_SEC / transcripts;
    }
    qsort(each, rounds, sizeof *each, ascending);
    printf("%.1f %d\n", each[rounds / 2], good);
    return 0;
}
