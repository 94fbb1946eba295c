-- Prosody on loopback, out of one directory. $name is filled in by src/prosody.ts.
run_as_root = true -- in a container there may be nobody else
pidfile = "$directory/prosody.pid"
data_path = "$directory/data"
certificates = "$directory"
log = { info = "*console" }

interfaces = { "127.0.0.1" }
c2s_ports = { $c2s }
http_ports = { $websocket }
https_ports = {}
http_interfaces = { "127.0.0.1" }
component_ports = { $component }
component_interfaces = { "127.0.0.1" }

modules_enabled = {
	"blocklist", "bookmarks", "carbons", "disco", "mam", "pep", "ping", "roster", "saslauth", "smacks", "tls", "version",
	"websocket",
}
modules_disabled = { "s2s" }

authentication = "internal_plain"
default_storage = "memory"
storage = { accounts = "internal" } -- written before it starts
ssl = { certificate = "$directory/cert.pem", key = "$directory/key.pem" }

-- Browsers reach loopback without TLS, and only PLAIN is offered to them.
consider_websocket_secure = true
http_default_host = "$domain"

smacks_hibernation_time = $hibernation
default_archive_policy = true
archive_expires_after = "never"
pep_max_items = 1000

VirtualHost "$domain"

Component "$rooms" "muc"
	modules_enabled = { "muc_mam" }
	muc_room_locking = false
	muc_room_default_members_only = true
	muc_room_default_public_jids = true

Component "$service"
	component_secret = "$password"
