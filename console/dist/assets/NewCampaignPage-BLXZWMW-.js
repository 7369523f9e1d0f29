import{n as e}from"./rolldown-runtime-WkwZ5CU-.js";import{C as t,S as n,m as r,p as i,w as a}from"./library-CbAZsBt6.js";import{v as o}from"./index-D4UqggYl.js";import{planCampaign as s}from"./CampaignDocument-CUzJKk_Z.js";import{t as c}from"./DocumentEditor-AvnD7Myx.js";var l=e(a(),1),u=t(),d=`campaign.yaml`,f=`key: my-campaign
name: My campaign
entry:
  event: Signed Up
steps:
  - id: rest
    delay: 1d
`,p=e=>/^key:\s*['"]?([^\s'"#]+)/m.exec(e)?.[1]??`my-campaign`;function m(){let e=r(),t=n(),a=(0,l.useRef)(``);return(0,u.jsx)(o,{title:`New campaign`,crumb:(0,u.jsx)(i,{to:`/documents`,children:`Documents`}),children:(0,u.jsx)(c,{initial:{[d]:f},schemaName:`campaign`,plan:e=>(a.current=p(e[d]??``),s(a.current,d,e)),isDrawn:!0,applied:()=>{t.invalidateQueries(),e({to:`/campaigns/$key`,params:{key:a.current}})}})})}export{m as NewCampaignPage};