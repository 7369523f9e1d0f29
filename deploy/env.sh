#!/bin/sh
# Write .env from .env.example, with new secrets in the empty lines. Overwrites nothing.
set -eu
cd "$(dirname "$0")/.."
if [ -e .env ]; then
	echo ".env is there already: remove it first to make new secrets" >&2
	exit 1
fi
umask 077
while IFS= read -r line; do
	case $line in
	POSTGRES_*=) line=$line$(openssl rand -hex 24) ;;
	SOJOURN_BUILD_ID=) line=$line$(git describe --always 2>/dev/null || echo local) ;;
	SOJOURN_WEBHOOK_SIGNING_SECRET=) line=${line}whsec_$(openssl rand -base64 32) ;;
	SOJOURN_*=) line=$line$(openssl rand -hex 32) ;;
	esac
	printf '%s\n' "$line"
done <.env.example >.env.new
mv .env.new .env
echo "Wrote .env. Next: docker compose up -d --build"
