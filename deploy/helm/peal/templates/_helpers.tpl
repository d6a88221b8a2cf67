{{/* Names are short enough for a label: a StatefulSet adds a hash of 11 characters to it. */}}
{{- define "peal.name" -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" }}
{{- end }}

{{- define "peal.selector" -}}
app.kubernetes.io/name: peal
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{- define "peal.labels" -}}
{{ include "peal.selector" . }}
app.kubernetes.io/version: {{ .Values.image.tag | default .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | quote }}
{{- end }}

{{- define "peal.secret" -}}
{{- .Values.existingSecret | default (include "peal.name" .) }}
{{- end }}

{{/* Refuses values that contradict each other, with a sentence that says what to do. */}}
{{- define "peal.check" -}}
{{- $turn := .Values.turn }}
{{- if not .Values.existingSecret }}
{{- range $key := list "secret" "store" "bus" }}
{{- if not (index $.Values.secrets $key) }}
{{- fail (printf "secrets.%s is empty: give it, or a Secret with the keys secret, store and bus as existingSecret" $key) }}
{{- end }}
{{- end }}
{{- end }}
{{- $stop := add .Values.drainSeconds 15 | int }}
{{- $parts := "drainSeconds + 15" }}
{{- if $turn.enabled }}
{{- $stop = add $stop $turn.drainSeconds | int }}
{{- $parts = "drainSeconds + turn.drainSeconds + 15" }}
{{- end }}
{{- if lt (int .Values.terminationGracePeriodSeconds) $stop }}
{{- fail (printf "terminationGracePeriodSeconds is %v: give at least %s, which is %d" .Values.terminationGracePeriodSeconds $parts $stop) }}
{{- end }}
{{- if $turn.enabled }}
{{- if and (eq $turn.announce "hostIP") (not $turn.hostNetwork) }}
{{- fail "turn.announce is hostIP and turn.hostNetwork is false: clients would look for the relay on the machine, and it is in the pod" }}
{{- end }}
{{- if and (eq $turn.announce "podIP") $turn.hostNetwork }}
{{- fail "turn.announce is podIP and turn.hostNetwork is true: take hostIP" }}
{{- end }}
{{- if and (eq $turn.announce "mapped") (not $turn.publicAddresses) }}
{{- fail "turn.announce is mapped and turn.publicAddresses is empty: list the public address of each machine" }}
{{- end }}
{{- if gt (int $turn.minPort) (int $turn.maxPort) }}
{{- fail "turn.minPort is above turn.maxPort" }}
{{- end }}
{{- if and (int $turn.tlsPort) (not .Values.tlsSecret) }}
{{- fail "turn.tlsPort is given and tlsSecret is not: TURN over TLS needs a certificate" }}
{{- end }}
{{- end }}
{{- end }}
