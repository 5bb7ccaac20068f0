#!/bin/sh
# Makes the certificates that the tests and the conformance run show each other: an authority, and parties it vouches for.
# They are worth nothing outside. Needs the openssl command; run it in this folder. They are valid for a hundred years.
set -eu
days=36500

key() {
  openssl ecparam -name prime256v1 -genkey -noout -out "$1.key"
}

# party NAME COMMON-NAME ALTERNATIVE-NAMES
party() {
  key "$1"
  openssl req -new -key "$1.key" -subj "/CN=$2" -out "$1.csr"
  { echo 'basicConstraints=CA:FALSE'; [ -z "$3" ] || echo "subjectAltName=$3"; } > "$1.ext"
  openssl x509 -req -in "$1.csr" -CA authority.pem -CAkey authority.key -set_serial "0x$(openssl rand -hex 8)" \
    -days "$days" -extfile "$1.ext" -out "$1.pem"
  rm "$1.csr" "$1.ext"
}

key authority
openssl req -x509 -new -key authority.key -subj '/CN=Offhook test authority' -days "$days" -out authority.pem
party localhost localhost 'DNS:localhost,IP:127.0.0.1,IP:::1'
party sip-domain unused.example 'URI:sip:sip.example,URI:sips:other.example,DNS:dns.example'
party common-name cn.example ''
party client client.example 'URI:sip:client.example,DNS:client.example'

# Vouched for by nobody.
key stranger
openssl req -x509 -new -key stranger.key -subj '/CN=localhost' -addext 'subjectAltName=DNS:localhost,IP:127.0.0.1' -days "$days" -out stranger.pem
rm authority.key
