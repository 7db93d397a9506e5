/* grpc.health.v1: the server as a whole and its services have one health. */
#include <grpc/health/v1/health.pb-c.h>

#include "control/call_priv.h"
#include "metrics/metrics.h"

static bool is_known(struct lb_slice service) {
    return service.len == 0 || lb_slice_eq(service, LB_S("loboscontrol.ControlPlane")) ||
           lb_slice_eq(service, LB_S("lobosadmin.Admin")) ||
           lb_slice_eq(service, LB_S("grpc.health.v1.Health"));
}

static int answer(struct control_call *call, bool known) {
    Grpc__Health__V1__HealthCheckResponse *reply =
        control_reply(call, &grpc__health__v1__health_check_response__descriptor);
    bool serves = lb_metrics_state(call->control->conf.metrics) == LB_SERVER_SERVING;
    if (!reply)
        return GRPC_STATUS_OK;
    reply->status = !known
                        ? GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVICE_UNKNOWN
                    : serves ? GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING
                             : GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__NOT_SERVING;
    return GRPC_STATUS_OK;
}

int control_health_check(struct control_call *call, const void *request) {
    const Grpc__Health__V1__HealthCheckRequest *in = request;
    if (!is_known(lb_slice_cstr(in->service)))
        return control_fail(call, GRPC_STATUS_NOT_FOUND, "there is no such service");
    return answer(call, true);
}

int control_health_watch(struct control_call *call, const void *request) {
    const Grpc__Health__V1__HealthCheckRequest *in = request;
    return answer(call, is_known(lb_slice_cstr(in->service)));
}
