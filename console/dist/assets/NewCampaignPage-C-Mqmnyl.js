import{n as e}from"./rolldown-runtime-WkwZ5CU-.js";import{b as t,f as n,p as r}from"./library-D9CdLqHn.js";import{d as i,f as a}from"./diagram-DzTrvb7w.js";import{o}from"./index-BcWG_wUa.js";import{planCampaign as s}from"./CampaignDocument-BSOkzuLO.js";import{t as c}from"./DocumentEditor-DHU7cxOi.js";var l=e(a(),1),u=i(),d=`campaign.yaml`,f=`key: my-campaign
name: My campaign
entry:
  event: Signed Up
steps:
  - id: rest
    delay: 1d
`,p=e=>/^key:\s*['"]?([^\s'"#]+)/m.exec(e)?.[1]??`my-campaign`;function m(){let e=r(),i=t(),a=(0,l.useRef)(``);return(0,u.jsx)(o,{title:`New campaign`,crumb:(0,u.jsx)(n,{to:`/documents`,children:`Documents`}),children:(0,u.jsx)(c,{initial:{[d]:f},schemaName:`campaign`,plan:e=>(a.current=p(e[d]??``),s(a.current,d,e)),applied:()=>{i.invalidateQueries(),e({to:`/campaigns/$key`,params:{key:a.current}})}})})}export{m as NewCampaignPage};